// Kernels on bfloat16 activations: rounding, and every compiled instruction set against the reference. Both compute in
// float32 and round once, so results differ by at most a unit in bfloat16's last place where float32 results fall on
// either side of a boundary.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace trellis {
namespace {

using Values = std::vector<float>;
using Activations = std::vector<BFloat16>;

float wide(BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }

std::vector<KernelTable<BFloat16>> tables() {
  auto all = usable_cpu_kernels<BFloat16>();
  all.push_back(reference_kernels<BFloat16>());
  return all;
}

Activations rounded(const Values& values) {
  Activations result(values.size());
  reference_kernels<BFloat16>().round_elements({.from = values.data(), .values = result.data()}, {0, static_cast<std::int64_t>(values.size())}, nullptr);
  return result;
}

Values random(std::int64_t count, std::uint64_t window, double scale = 1.0) {
  Values values(static_cast<std::size_t>(count));
  const RandomStream stream{.seed = 21, .window = window};
  for (std::size_t n = 0; n < values.size(); ++n) values[n] = static_cast<float>(scale * stream.normal(n));
  return values;
}

void expect_close(const Activations& actual, const Activations& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t n = 0; n < expected.size(); ++n) {
    const float a = wide(actual[n]), e = wide(expected[n]);
    ASSERT_LE(std::abs(a - e), std::abs(e) / 128 + 1e-6f) << what << " " << n;
  }
}

void expect_close(const Values& actual, const Values& expected, const std::string& what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t n = 0; n < expected.size(); ++n) ASSERT_NEAR(actual[n], expected[n], 4e-6f * std::max(1.0f, std::abs(expected[n]))) << what << " " << n;
}

TEST(BFloat16Kernels, RoundingIsToNearestEvenAndKeepsInfinityAndNaN) {
  const auto bits = [](std::uint32_t value) { return std::bit_cast<float>(value); };
  const float infinity = std::numeric_limits<float>::infinity();
  const struct {
    float from;
    std::uint16_t expected;
  } cases[] = {{0.0f, 0x0000}, {-0.0f, 0x8000}, {1.0f, 0x3f80}, {bits(0x3f808000), 0x3f80}, {bits(0x3f808001), 0x3f81},
               {bits(0x3f818000), 0x3f82}, {bits(0x3f817fff), 0x3f81}, {bits(0xbf818000), 0xbf82}, {infinity, 0x7f80},
               {-infinity, 0xff80}, {std::numeric_limits<float>::max(), 0x7f80}, {bits(0x00008000), 0x0000}, {bits(0x00018000), 0x0002}};
  for (const auto& table : tables()) {
    for (const auto& c : cases) {
      BFloat16 result{0xffff};
      table.round_elements({.from = &c.from, .values = &result}, {0, 1}, nullptr);
      EXPECT_EQ(result.bits, c.expected) << table.name << " " << c.from;
    }
    const float nan = bits(0x7f800001);  // whose upper half alone would be infinity
    BFloat16 result;
    table.round_elements({.from = &nan, .values = &result}, {0, 1}, nullptr);
    EXPECT_TRUE(std::isnan(wide(result))) << table.name;
  }
}

TEST(BFloat16Kernels, RowsAreWidenedIntoStridedSums) {
  const Activations values = rounded({1, 2, 3, 4, 5, 6});
  for (const auto& table : tables()) {
    Values sums{10, 20, 30, -1, 40, 50, 60, -1};
    table.widen_rows({.columns = 3, .values = values.data(), .stride = 4, .sums = sums.data(), .add = true}, {0, 2}, nullptr);
    EXPECT_EQ(sums, (Values{11, 22, 33, -1, 44, 55, 66, -1})) << table.name;
    table.widen_rows({.columns = 3, .values = values.data(), .stride = 4, .sums = sums.data(), .add = false}, {1, 2}, nullptr);
    EXPECT_EQ(sums, (Values{11, 22, 33, -1, 4, 5, 6, -1})) << table.name;
  }
}

TEST(BFloat16Kernels, SplitRowsHoldFloat32InTwoParts) {
  const std::int64_t rows = 3, columns = 300, stride = 310;
  Values from = random(rows * stride, 30, 40.0);
  from[5] = 0;
  from[6] = std::bit_cast<float>(0x7fffffffu);  // a NaN that would round to -0
  from[7] = std::numeric_limits<float>::infinity();
  for (const auto& table : tables()) {
    for (const auto factor : {SplitRows::Factor::first, SplitRows::Factor::second}) {
      Activations parts(static_cast<std::size_t>(rows * 3 * columns));
      table.split_rows({.factor = factor, .columns = columns, .from = from.data(), .stride = stride, .parts = parts.data()}, {0, rows}, nullptr);
      for (std::int64_t row = 0; row < rows; ++row) {
        for (std::int64_t n = 0; n < columns; ++n) {
          const auto part = [&](std::int64_t which) { return wide(parts[static_cast<std::size_t>((3 * row + which) * columns + n)]); };
          const bool first = factor == SplitRows::Factor::first;
          const float value = from[static_cast<std::size_t>(row * stride + n)], high = part(0), again = part(first ? 1 : 2), low = part(first ? 2 : 1);
          if (!std::isfinite(value)) {
            EXPECT_TRUE(std::isnan(high * high + high * low)) << table.name << " " << value;
            continue;
          }
          ASSERT_EQ(high, again) << table.name;
          ASSERT_LE(std::abs(value - high), std::abs(value) / 256) << table.name;
          ASSERT_LE(std::abs(value - (high + low)), std::abs(value) / 131072) << table.name << " " << value;
        }
      }
    }
  }
}

TEST(BFloat16Kernels, GatesMatchTheReference) {
  for (const auto& table : tables()) {
    for (const auto& [H, blocks] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {33, 1}, {300, 1}, {12, 3}, {600, 2}}) {
      for (const bool optional : {false, true}) {
        const std::int64_t lanes = 3, rows = 6, O = (H + 1) / 2;
        const Activations pre = rounded(random(rows * 4 * H, 1, 3.0)), injection = rounded(random(rows * 4 * H, 2)),
                          d_hidden = rounded(random(rows * H, 3));
        const Values bias = random(4 * H, 5), previous = random(rows * H, 6), mask = random(lanes * H, 7), d_output = random(rows * O, 4), output_mask = random(lanes * O, 8),
                     d_cell = random(rows * H, 9), d_injection = random(rows * 4 * H, 10);
        struct Results {
          Activations gates, hidden, d_gates;
          Values output, cell, d_previous, d_injection;
        };
        const auto run = [&](const KernelTable<BFloat16>& kernels, const Activations* gates_for_backward, const Values* cell_for_backward) {
          Results r{pre, Activations(static_cast<std::size_t>(rows * H)), {}, Values(static_cast<std::size_t>(rows * O)),
                    Values(static_cast<std::size_t>(rows * H)), Values(static_cast<std::size_t>(rows * H)), d_injection};
          GatesForward<BFloat16> forward{.channels = H, .blocks = blocks, .outputs = O, .lanes = lanes, .gates = r.gates.data(),
                                         .injection = optional ? injection.data() : nullptr, .bias = bias.data(), .previous_cell = previous.data(),
                                         .hidden_mask = optional ? mask.data() : nullptr, .cell = r.cell.data(), .hidden = r.hidden.data(),
                                         .output_count = 1, .output = {}};
          forward.output[0] = {r.output.data(), optional ? output_mask.data() : nullptr};
          kernels.gates_forward(forward, {0, 2}, nullptr);
          kernels.gates_forward(forward, {2, rows}, nullptr);
          r.d_gates = gates_for_backward ? *gates_for_backward : r.gates;
          GatesBackward<BFloat16> backward{.channels = H, .blocks = blocks, .outputs = O, .lanes = lanes, .gates = r.d_gates.data(),
                                           .cell = cell_for_backward ? cell_for_backward->data() : r.cell.data(), .previous_cell = previous.data(),
                                           .hidden_mask = optional ? mask.data() : nullptr, .d_hidden = d_hidden.data(),
                                           .d_cell = optional ? d_cell.data() : nullptr, .output_count = 1, .output = {},
                                           .d_previous_cell = r.d_previous.data(), .d_injection = r.d_injection.data(), .add_to_injection = optional};
          backward.output[0] = {d_output.data(), optional ? output_mask.data() : nullptr};
          kernels.gates_backward(backward, {0, rows}, nullptr);
          return r;
        };
        const Results expected = run(reference_kernels<BFloat16>(), nullptr, nullptr);
        const Results actual = run(table, &expected.gates, &expected.cell);
        const std::string name = table.name;
        expect_close(actual.gates, expected.gates, name + ": gates");
        expect_close(actual.hidden, expected.hidden, name + ": hidden");
        expect_close(actual.output, expected.output, name + ": output");
        expect_close(actual.cell, expected.cell, name + ": cell");
        expect_close(actual.d_gates, expected.d_gates, name + ": gradient of the gates");
        expect_close(actual.d_previous, expected.d_previous, name + ": gradient of the cell below");
        expect_close(actual.d_injection, expected.d_injection, name + ": gradient of the injection");
      }
    }
  }
}

TEST(BFloat16Kernels, TheOtherKernelsMatchTheReference) {
  const std::int64_t rows = 6, taps = 2, channels = 37, lanes = 2, words = 5;
  const Values direction = random(rows * taps * channels, 1), gain = random(rows, 2), words_table = random(words * channels, 3),
               input_mask = random(lanes * channels, 4);
  const Activations values = rounded(random(rows * channels, 5));
  const std::vector<std::int64_t> tokens{4, 0, 4, 1, 2, 4}, places{2, -1, 0};
  struct Results {
    Activations kernel, embedded, gathered, scattered;
    Values d_table;
  };
  const auto run = [&](const KernelTable<BFloat16>& kernels) {
    Results r{Activations(direction.size()), Activations(values.size()), Activations(values.size()), values, words_table};
    KernelMask<float> mask;
    mask.threshold = dropout_threshold(0.4), mask.scale = 1 / 0.6f;
    mask.stream = {.seed = 5, .window = 3, .purpose = Purpose::hidden_kernel};
    kernels.effective_kernel_forward({.taps = taps, .channels = channels, .direction = direction.data(), .gain = gain.data(), .mask = mask, .kernel = r.kernel.data()}, {0, rows}, nullptr);
    kernels.embedding_forward({.channels = channels, .lanes = lanes, .tokens = tokens.data(), .table = words_table.data(), .word_mask = nullptr, .input_mask = input_mask.data(), .values = r.embedded.data()}, {0, rows}, nullptr);
    kernels.embedding_backward({.channels = channels, .lanes = lanes, .rows = rows, .tokens = tokens.data(), .word_mask = nullptr, .input_mask = input_mask.data(), .d_values = values.data(), .d_table = r.d_table.data()}, {0, channels}, nullptr);
    kernels.gather_steps({.channels = channels, .lanes = lanes, .places = places.data(), .source = values.data(), .stride = channels, .values = r.gathered.data()}, {0, rows}, nullptr);
    kernels.scatter_add_steps({.channels = channels, .lanes = lanes, .places = places.data(), .stride = channels, .values = values.data(), .sums = r.scattered.data()}, {0, rows}, nullptr);
    return r;
  };
  const Results expected = run(reference_kernels<BFloat16>());
  for (const auto& table : usable_cpu_kernels<BFloat16>()) {
    const Results actual = run(table);
    const std::string name = table.name;
    expect_close(actual.kernel, expected.kernel, name + ": effective kernel");
    expect_close(actual.embedded, expected.embedded, name + ": embedded input");
    expect_close(actual.gathered, expected.gathered, name + ": gathered steps");
    expect_close(actual.scattered, expected.scattered, name + ": scattered steps");
    expect_close(actual.d_table, expected.d_table, name + ": gradient of the embedding");
  }
}

}  // namespace
}  // namespace trellis
