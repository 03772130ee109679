// The gates, forward and backward, of the reference and of every compiled instruction set, against one cell written as in the
// paper and differentiated by complex steps: f'(x) = Im f(x + i e) / e, exact to rounding. Blocks of channels, optional parts
// there and not, odd sizes.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <complex>
#include <vector>

#include "kernels/table.h"

namespace trellis {
namespace {

constexpr std::int64_t kLanes = 3, kRows = 8;

// A trellis cell: pre-activations in order input, output, candidate, forget, and the cell before.
template <class S>
struct Cell {
  std::array<S, 4> gates;
  S c, h;
};
template <class S>
Cell<S> cell(const std::array<S, 5>& in) {
  const auto sigmoid = [](S x) { return S(1) / (S(1) + std::exp(-x)); };
  Cell<S> out{{sigmoid(in[0]), sigmoid(in[1]), std::tanh(in[2]), sigmoid(in[3])}, {}, {}};
  out.c = out.gates[3] * in[4] + out.gates[0] * out.gates[2];
  out.h = out.gates[1] * std::tanh(out.c);
  return out;
}

struct Size {
  std::int64_t channels, blocks, outputs;
};
constexpr Size kSizes[] = {{1, 1, 1}, {3, 1, 2}, {37, 1, 37}, {7, 7, 3}, {15, 3, 8}, {33, 11, 1}, {68, 4, 40}, {130, 2, 99}};

// Row, channel and gate by name to their place in memory: [rows, blocks, 4, channels of a block].
std::int64_t gate_place(const Size& size, std::int64_t row, std::int64_t channel, std::int64_t gate) {
  const std::int64_t in_block = size.channels / size.blocks;
  return ((row * size.blocks + channel / in_block) * 4 + gate) * in_block + channel % in_block;
}

template <class T>
using Values = std::vector<T>;

template <class T>
class GatesDefinition : public testing::Test {
 protected:
  static constexpr double kLimit = sizeof(T) == 4 ? 3e-6 : 4e-15;
  static constexpr T kUntouched = T(123);

  Values<T> random(std::int64_t count, double scale = 1) {
    Values<T> values(static_cast<std::size_t>(count));
    const RandomStream stream{.seed = 3, .window = ++drawn_};
    for (std::size_t n = 0; n < values.size(); ++n) values[n] = static_cast<T>(scale * stream.normal(n));
    return values;
  }
  static std::vector<KernelTable<T>> tables() {
    std::vector<KernelTable<T>> all = usable_cpu_kernels<T>();
    all.push_back(reference_kernels<T>());
    return all;
  }
  static double at(const Values<T>& values, std::int64_t place) { return static_cast<double>(values.at(static_cast<std::size_t>(place))); }
  static void expect(T actual, double expected, const char* what) {
    if (!(std::abs(static_cast<double>(actual) - expected) <= kLimit * std::max(1.0, std::abs(expected)))) {
      ADD_FAILURE() << what << ": " << actual << ", expected " << expected;
    }
  }

  std::uint64_t drawn_ = 0;
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(GatesDefinition, Types);

TYPED_TEST(GatesDefinition, Forward) {
  using T = TypeParam;
  for (const Size& size : kSizes) {
    const std::int64_t H = size.channels, O = size.outputs;
    const Values<T> pre = this->random(kRows * 4 * H, 2), injection = this->random(kRows * 4 * H), bias = this->random(4 * H),
                 previous = this->random(kRows * H), hidden_mask = this->random(kLanes * H);
    const Values<T> output_masks[] = {this->random(kLanes * O), {}, this->random(kLanes * O)};
    for (const auto& table : this->tables()) {
      for (int outputs = 0; outputs <= kMaxGateOutputs; ++outputs) {
        const bool injected = outputs % 2 == 0, masked = outputs >= 2;
        SCOPED_TRACE(fmt::format("{}: {} channels in {} blocks, {} outputs", table.name, H, size.blocks, outputs));
        Values<T> gates = pre, c(static_cast<std::size_t>(kRows * H)), h(c.size());
        std::vector<Values<T>> out(kMaxGateOutputs, Values<T>(static_cast<std::size_t>(kRows * O), this->kUntouched));
        GatesForward<T> k{.channels = H, .blocks = size.blocks, .outputs = O, .lanes = kLanes, .gates = gates.data(),
                          .injection = injected ? injection.data() : nullptr, .bias = bias.data(), .previous_cell = previous.data(),
                          .hidden_mask = masked ? hidden_mask.data() : nullptr, .cell = c.data(), .hidden = h.data(),
                          .output_count = outputs, .output = {}};
        for (std::size_t n = 0; n < out.size(); ++n) k.output[n] = {out[n].data(), output_masks[n].empty() ? nullptr : output_masks[n].data()};
        table.gates_forward(k, {0, 5}, nullptr);
        table.gates_forward(k, {5, kRows}, nullptr);

        for (std::int64_t row = 0; row < kRows; ++row) {
          for (std::int64_t n = 0; n < H; ++n) {
            std::array<double, 5> in{};
            for (std::int64_t gate = 0; gate < 4; ++gate) {
              const std::int64_t place = gate_place(size, row, n, gate);
              in[static_cast<std::size_t>(gate)] = this->at(pre, place) + this->at(bias, gate_place(size, 0, n, gate)) +
                                                   (injected ? this->at(injection, place) : 0);
            }
            in[4] = this->at(previous, row * H + n);
            const Cell<double> expected = cell(in);
            for (std::int64_t gate = 0; gate < 4; ++gate) {
              this->expect(gates[static_cast<std::size_t>(gate_place(size, row, n, gate))], expected.gates[static_cast<std::size_t>(gate)], "gate");
            }
            const std::int64_t lane = row % kLanes, m = n - (H - O);
            this->expect(c[static_cast<std::size_t>(row * H + n)], expected.c, "cell");
            this->expect(h[static_cast<std::size_t>(row * H + n)], expected.h * (masked ? this->at(hidden_mask, lane * H + n) : 1), "hidden");
            for (std::size_t number = 0; number < out.size() && m >= 0; ++number) {
              const T actual = out[number][static_cast<std::size_t>(row * O + m)];
              if (static_cast<int>(number) >= outputs) {
                EXPECT_EQ(actual, this->kUntouched);
              } else {
                this->expect(actual, expected.h * (output_masks[number].empty() ? 1 : this->at(output_masks[number], lane * O + m)), "output");
              }
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(GatesDefinition, BackwardIsTheDerivativeOfForward) {
  using T = TypeParam;
  enum class Injection { none, overwritten, added_to };
  struct Parts {
    bool d_hidden, d_cell, hidden_mask, d_previous_cell;
    Injection injection;
    int outputs;
  };
  const Parts kParts[] = {{true, true, true, true, Injection::added_to, 3},     {true, true, false, true, Injection::none, 0},
                          {false, false, false, false, Injection::none, 1},     {false, false, false, true, Injection::overwritten, 2},
                          {true, false, true, false, Injection::overwritten, 0}, {false, true, true, true, Injection::none, 3}};
  for (const Size& size : kSizes) {
    const std::int64_t H = size.channels, O = size.outputs;
    const Values<T> pre = this->random(kRows * 4 * H, 2), previous = this->random(kRows * H), hidden_mask = this->random(kLanes * H),
                 d_hidden = this->random(kRows * H), d_cell = this->random(kRows * H), injected = this->random(kRows * 4 * H);
    const Values<T> output_masks[] = {this->random(kLanes * O), {}, this->random(kLanes * O)};
    const Values<T> d_outputs[] = {this->random(kRows * O), this->random(kRows * O), this->random(kRows * O)};
    // what forward leaves for backward
    Values<T> activations(pre.size()), cells(previous.size());
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t n = 0; n < H; ++n) {
        std::array<double, 5> in{};
        for (std::int64_t gate = 0; gate < 4; ++gate) in[static_cast<std::size_t>(gate)] = this->at(pre, gate_place(size, row, n, gate));
        in[4] = this->at(previous, row * H + n);
        const Cell<double> forward = cell(in);
        for (std::int64_t gate = 0; gate < 4; ++gate) {
          activations[static_cast<std::size_t>(gate_place(size, row, n, gate))] = static_cast<T>(forward.gates[static_cast<std::size_t>(gate)]);
        }
        cells[static_cast<std::size_t>(row * H + n)] = static_cast<T>(forward.c);
      }
    }
    for (const auto& table : this->tables()) {
      for (const Parts& parts : kParts) {
        SCOPED_TRACE(fmt::format("{}: {} channels in {} blocks, {} outputs, injection {}", table.name, H, size.blocks, parts.outputs,
                                 static_cast<int>(parts.injection)));
        Values<T> gates = activations, d_previous(previous.size(), this->kUntouched), d_injection = injected;
        GatesBackward<T> k{.channels = H, .blocks = size.blocks, .outputs = O, .lanes = kLanes, .gates = gates.data(), .cell = cells.data(),
                           .previous_cell = previous.data(), .hidden_mask = parts.hidden_mask ? hidden_mask.data() : nullptr,
                           .d_hidden = parts.d_hidden ? d_hidden.data() : nullptr, .d_cell = parts.d_cell ? d_cell.data() : nullptr,
                           .output_count = parts.outputs, .output = {},
                           .d_previous_cell = parts.d_previous_cell ? d_previous.data() : nullptr,
                           .d_injection = parts.injection == Injection::none ? nullptr : d_injection.data(),
                           .add_to_injection = parts.injection == Injection::added_to};
        for (std::size_t n = 0; n < 3; ++n) k.output[n] = {d_outputs[n].data(), output_masks[n].empty() ? nullptr : output_masks[n].data()};
        table.gates_backward(k, {0, 2}, nullptr);
        table.gates_backward(k, {2, kRows}, nullptr);

        for (std::int64_t row = 0; row < kRows; ++row) {
          for (std::int64_t n = 0; n < H; ++n) {
            const std::int64_t lane = row % kLanes, m = n - (H - O);
            // loss = to_h h + to_c c
            double to_h = parts.d_hidden ? this->at(d_hidden, row * H + n) * (parts.hidden_mask ? this->at(hidden_mask, lane * H + n) : 1) : 0;
            for (std::size_t number = 0; number < static_cast<std::size_t>(parts.outputs) && m >= 0; ++number) {
              to_h += this->at(d_outputs[number], row * O + m) * (output_masks[number].empty() ? 1 : this->at(output_masks[number], lane * O + m));
            }
            const double to_c = parts.d_cell ? this->at(d_cell, row * H + n) : 0;
            std::array<std::complex<double>, 5> in{};
            for (std::int64_t gate = 0; gate < 4; ++gate) in[static_cast<std::size_t>(gate)] = this->at(pre, gate_place(size, row, n, gate));
            in[4] = this->at(previous, row * H + n);
            const auto derivative = [&](std::size_t of) {
              constexpr double kStep = 1e-100;
              auto stepped = in;
              stepped[of] += std::complex<double>(0, kStep);
              const auto out = cell(stepped);
              return (to_h * out.h.imag() + to_c * out.c.imag()) / kStep;
            };
            for (std::int64_t gate = 0; gate < 4; ++gate) {
              const std::int64_t place = gate_place(size, row, n, gate);
              const double expected = derivative(static_cast<std::size_t>(gate));
              this->expect(gates[static_cast<std::size_t>(place)], expected, "gradient of a gate");
              const double before = parts.injection == Injection::overwritten ? 0 : this->at(injected, place);
              this->expect(d_injection[static_cast<std::size_t>(place)], before + (parts.injection == Injection::none ? 0 : expected),
                           "gradient of the injection");
            }
            this->expect(d_previous[static_cast<std::size_t>(row * H + n)],
                         parts.d_previous_cell ? derivative(4) : static_cast<double>(this->kUntouched), "gradient of the cell before");
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace trellis
