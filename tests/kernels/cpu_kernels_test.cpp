// Every compiled instruction set against the reference, over awkward sizes, with each optional argument there and not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/table.h"

namespace trellis {
namespace {

template <class T>
class CpuKernels : public testing::Test {
 protected:
  static constexpr double tolerance() { return sizeof(T) == 4 ? 2e-6 : 2e-15; }

  std::vector<T> random(std::int64_t count, double scale = 1.0) {
    std::vector<T> values(static_cast<std::size_t>(count));
    const RandomStream stream{.seed = 11, .window = ++drawn_};
    for (std::size_t n = 0; n < values.size(); ++n) values[n] = static_cast<T>(scale * stream.normal(n));
    return values;
  }

  static void expect_near(const std::vector<T>& actual, const std::vector<T>& expected, const char* what,
                          double factor = 1.0) {
    double largest = 0, worst = 0;
    for (std::size_t n = 0; n < expected.size(); ++n) {
      largest = std::max(largest, std::abs(static_cast<double>(expected[n])));
      const double error = std::abs(static_cast<double>(actual[n]) - static_cast<double>(expected[n]));
      worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
    }
    EXPECT_LE(worst, factor * tolerance() * std::max(largest, 1.0)) << what;
  }

  std::uint64_t drawn_ = 0;
};

struct GateSize {
  std::int64_t channels, blocks;
};
constexpr GateSize kGateSizes[] = {{1, 1}, {3, 1}, {16, 1}, {33, 1}, {257, 1}, {600, 1}, {5, 5}, {12, 3}, {64, 4}, {600, 2}};

using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(CpuKernels, Types);

TYPED_TEST(CpuKernels, GatesForwardMatchesTheReference) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    for (const auto& [H, blocks] : kGateSizes) {
      for (const bool optional : {false, true}) {
        const std::int64_t lanes = 3, rows = 9, O = (H + 1) / 2;
        const auto pre = this->random(rows * 4 * H, 3.0), injection = this->random(rows * 4 * H), bias = this->random(4 * H),
                   previous = this->random(rows * H), mask = this->random(lanes * H), output_mask = this->random(lanes * O);
        auto run = [&](const KernelTable<T>& kernels, std::vector<std::vector<T>>& out) {
          out = {pre, std::vector<T>(rows * H), std::vector<T>(rows * H), std::vector<T>(rows * O), std::vector<T>(rows * O)};
          GatesForward<T> k{.channels = H, .blocks = blocks, .outputs = O, .lanes = lanes, .gates = out[0].data(),
                            .injection = optional ? injection.data() : nullptr, .bias = bias.data(),
                            .previous_cell = previous.data(), .hidden_mask = optional ? mask.data() : nullptr,
                            .cell = out[1].data(), .hidden = out[2].data(), .output_count = optional ? 2 : 0, .output = {}};
          k.output[0] = {out[3].data(), output_mask.data()};
          k.output[1] = {out[4].data(), nullptr};
          kernels.gates_forward(k, {0, 4}, nullptr);
          kernels.gates_forward(k, {4, rows}, nullptr);
        };
        std::vector<std::vector<T>> actual, expected;
        run(table, actual);
        run(reference_kernels<T>(), expected);
        const char* names[] = {"gates", "cell", "hidden", "masked output", "output"};
        for (std::size_t n = 0; n < expected.size(); ++n) this->expect_near(actual[n], expected[n], names[n]);
      }
    }
  }
}

TYPED_TEST(CpuKernels, GatesBackwardMatchesTheReference) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    for (const auto& [H, blocks] : kGateSizes) {
      for (const int mode : {0, 1, 2}) {  // nothing optional; everything; the injection's gradient overwritten
        const bool optional = mode > 0;
        const std::int64_t lanes = 2, rows = 6, O = (H + 2) / 3;
        auto gates = this->random(rows * 4 * H);
        for (auto& g : gates) g = T(1) / (T(1) + std::exp(-g));
        const auto cell = this->random(rows * H), previous = this->random(rows * H), mask = this->random(lanes * H),
                   output_mask = this->random(lanes * O), d_hidden = this->random(rows * H), d_cell = this->random(rows * H),
                   d_output = this->random(rows * O), d_injection = this->random(rows * 4 * H);
        auto run = [&](const KernelTable<T>& kernels, std::vector<std::vector<T>>& out) {
          out = {gates, std::vector<T>(rows * H), d_injection};
          GatesBackward<T> k{.channels = H, .blocks = blocks, .outputs = O, .lanes = lanes, .gates = out[0].data(), .cell = cell.data(),
                             .previous_cell = previous.data(), .hidden_mask = optional ? mask.data() : nullptr,
                             .d_hidden = optional ? d_hidden.data() : nullptr, .d_cell = optional ? d_cell.data() : nullptr,
                             .output_count = optional ? 3 : 1, .output = {},
                             .d_previous_cell = optional ? out[1].data() : nullptr, .d_injection = optional ? out[2].data() : nullptr,
                             .add_to_injection = mode == 1};
          k.output[0] = {d_output.data(), optional ? output_mask.data() : nullptr};
          k.output[1] = {d_output.data(), nullptr};
          k.output[2] = {d_output.data(), output_mask.data()};
          kernels.gates_backward(k, {0, 1}, nullptr);
          kernels.gates_backward(k, {1, rows}, nullptr);
        };
        std::vector<std::vector<T>> actual, expected;
        run(table, actual);
        run(reference_kernels<T>(), expected);
        const char* names[] = {"gradient of the gates", "gradient of the cell below", "gradient of the injection"};
        for (std::size_t n = 0; n < expected.size(); ++n) this->expect_near(actual[n], expected[n], names[n], 4);
      }
    }
  }
}

TYPED_TEST(CpuKernels, EffectiveKernelsMatchTheReference) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    for (const std::int64_t channels : {1, 7, 130, 300}) {
      for (const std::int64_t taps : {2, 3}) {
        for (const bool normalised : {false, true}) {
          for (const int masking : {0, 1, 2}) {
            const std::int64_t rows = 5, count = rows * taps * channels;
            const auto direction = this->random(count), gain = this->random(rows), gradient = this->random(count),
                       given = this->random(count);
            KernelMask<T> mask;
            if (masking == 1) mask.given = given.data();
            if (masking == 2) {
              mask.threshold = dropout_threshold(0.4), mask.scale = T(1 / 0.6);
              mask.stream = {.seed = 5, .window = 3, .purpose = Purpose::hidden_kernel};
            }
            auto run = [&](const KernelTable<T>& kernels, std::vector<std::vector<T>>& out) {
              out = {std::vector<T>(count), gradient, std::vector<T>(rows)};
              const EffectiveKernelForward<T> forward{.taps = taps, .channels = channels, .direction = direction.data(),
                                                      .gain = normalised ? gain.data() : nullptr, .mask = mask,
                                                      .kernel = out[0].data()};
              kernels.effective_kernel_forward(forward, {0, 2}, nullptr);
              kernels.effective_kernel_forward(forward, {2, rows}, nullptr);
              const EffectiveKernelBackward<T> backward{.taps = taps, .channels = channels, .direction = direction.data(),
                                                        .gain = normalised ? gain.data() : nullptr, .mask = mask,
                                                        .d_kernel = out[1].data(), .d_gain = normalised ? out[2].data() : nullptr};
              kernels.effective_kernel_backward(backward, {0, rows}, nullptr);
            };
            std::vector<std::vector<T>> actual, expected;
            run(table, actual);
            run(reference_kernels<T>(), expected);
            const char* names[] = {"kernel", "gradient of the direction", "gradient of the gain"};
            for (std::size_t n = 0; n < expected.size(); ++n) this->expect_near(actual[n], expected[n], names[n], 10);
          }
        }
      }
    }
  }
}

TYPED_TEST(CpuKernels, AKernelRowOfZerosGivesZerosAndNoNaN) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    const std::vector<T> direction(6), gain(1, T(2));
    std::vector<T> kernel(6, T(7)), gradient(6, T(1)), d_gain(1, T(7));
    table.effective_kernel_forward({.taps = 2, .channels = 3, .direction = direction.data(), .gain = gain.data(), .mask = {}, .kernel = kernel.data()}, {0, 1}, nullptr);
    EXPECT_EQ(kernel, std::vector<T>(6, T(0)));
    table.effective_kernel_backward({.taps = 2, .channels = 3, .direction = direction.data(), .gain = gain.data(), .mask = {}, .d_kernel = gradient.data(), .d_gain = d_gain.data()}, {0, 1}, nullptr);
    EXPECT_EQ(gradient, std::vector<T>(6, T(0)));
    EXPECT_EQ(d_gain[0], T(0));
  }
}

TYPED_TEST(CpuKernels, CrossEntropyMatchesTheReference) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    for (const std::int64_t classes : {1, 2, 17, 4097}) {
      for (const bool with_gradient : {false, true}) {
        const std::int64_t rows = 4, stride = classes + 3;
        const auto logits = this->random(rows * stride, 20.0), scale = this->random(rows);
        std::vector<std::int64_t> targets{0, classes - 1, classes / 2, classes / 3};
        auto run = [&](const KernelTable<T>& kernels, std::vector<T>& out, std::vector<double>& loss) {
          out = logits, loss.assign(rows, 0.0);
          kernels.cross_entropy({.classes = classes, .stride = stride, .logits = out.data(), .targets = targets.data(),
                                 .loss = loss.data(), .scale = with_gradient ? scale.data() : nullptr}, {0, rows}, nullptr);
        };
        std::vector<T> actual, expected;
        std::vector<double> actual_loss, expected_loss;
        run(table, actual, actual_loss);
        run(reference_kernels<T>(), expected, expected_loss);
        this->expect_near(actual, expected, "gradient of the logits", 5);
        for (std::size_t n = 0; n < expected_loss.size(); ++n) {
          EXPECT_NEAR(actual_loss[n], expected_loss[n], this->tolerance() * std::max(1.0, expected_loss[n]));
        }
      }
    }
  }
}

TYPED_TEST(CpuKernels, StripesOfASoftmaxMatchTheReferenceAndMakeTheWhole) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    const std::int64_t rows = 3, classes = 4100;
    const std::vector<std::int64_t> ends{0, 0, 17, 2500, classes};  // stripes between them; the first has no class
    const auto logits = this->random(rows * classes, 20.0), scale = this->random(rows);
    const std::vector<std::int64_t> targets{16, 17, classes - 1};
    auto whole = logits;
    std::vector<double> loss(rows);
    reference_kernels<T>().cross_entropy({.classes = classes, .stride = classes, .logits = whole.data(), .targets = targets.data(),
                                          .loss = loss.data(), .scale = scale.data()}, {0, rows}, nullptr);
    for (const auto* kernels : {&table, &reference_kernels<T>()}) {
      auto values = logits;
      std::vector<std::vector<double>> numbers;
      std::vector<std::vector<std::int64_t>> local(ends.size() - 1, targets);
      for (std::size_t part = 0; part + 1 < ends.size(); ++part) {
        for (auto& target : local[part]) target = ends[part] <= target && target < ends[part + 1] ? target - ends[part] : -1;
        numbers.emplace_back(rows * kSoftmaxNumbers);
        kernels->softmax_statistics({.classes = ends[part + 1] - ends[part], .stride = classes, .logits = values.data() + ends[part],
                                     .targets = local[part].data(), .numbers = numbers.back().data(), .keep_exponentials = true}, {0, rows}, nullptr);
      }
      std::vector<double> normaliser(rows);
      for (std::int64_t row = 0; row < rows; ++row) {
        double sum = 0, target = 0;
        for (const auto& part : numbers) sum += part[row * 3 + 1] * std::exp(part[row * 3]), target += part[row * 3 + 2];
        normaliser[row] = std::log(sum);
        EXPECT_NEAR(normaliser[row] - target, loss[row], this->tolerance() * std::max(1.0, loss[row])) << kernels->name;
      }
      for (std::size_t part = 0; part + 1 < ends.size(); ++part) {
        kernels->softmax_gradient({.classes = ends[part + 1] - ends[part], .stride = classes, .exponentials = values.data() + ends[part],
                                   .targets = local[part].data(), .numbers = numbers[part].data(), .log_normaliser = normaliser.data(),
                                   .scale = scale.data()}, {0, rows}, nullptr);
      }
      this->expect_near(values, whole, "gradient of the logits", 5);
    }
  }
}

TYPED_TEST(CpuKernels, CrossEntropyKeepsNaNVisible) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    std::vector<T> logits{T(1), std::numeric_limits<T>::quiet_NaN(), T(2)};
    const std::int64_t target = 0;
    double loss = 0;
    table.cross_entropy({.classes = 3, .stride = 3, .logits = logits.data(), .targets = &target, .loss = &loss, .scale = nullptr}, {0, 1}, nullptr);
    EXPECT_TRUE(std::isnan(loss)) << table.name;
  }
}

TYPED_TEST(CpuKernels, EmbeddingMatchesTheReferenceAndSumsRepeatedWords) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    for (const bool masked : {false, true}) {
      const std::int64_t channels = 37, lanes = 2, rows = 8, words = 5;
      const std::vector<std::int64_t> tokens{4, 0, 4, 4, 1, 2, 0, 4};
      const auto weights = this->random(words * channels), word_mask = this->random(words), input_mask = this->random(lanes * channels),
                 gradient = this->random(rows * channels), before = this->random(words * channels);
      auto run = [&](const KernelTable<T>& kernels, std::vector<std::vector<T>>& out) {
        out = {std::vector<T>(rows * channels), before};
        kernels.embedding_forward({.channels = channels, .lanes = lanes, .tokens = tokens.data(), .table = weights.data(),
                                   .word_mask = masked ? word_mask.data() : nullptr, .input_mask = masked ? input_mask.data() : nullptr,
                                   .values = out[0].data()}, {0, rows}, nullptr);
        const EmbeddingBackward<T> backward{.channels = channels, .lanes = lanes, .rows = rows, .tokens = tokens.data(),
                                            .word_mask = masked ? word_mask.data() : nullptr, .input_mask = masked ? input_mask.data() : nullptr,
                                            .d_values = gradient.data(), .d_table = out[1].data()};
        kernels.embedding_backward(backward, {0, 20}, nullptr);
        kernels.embedding_backward(backward, {20, channels}, nullptr);
      };
      std::vector<std::vector<T>> actual, expected;
      run(table, actual);
      run(reference_kernels<T>(), expected);
      this->expect_near(actual[0], expected[0], "values");
      this->expect_near(actual[1], expected[1], "gradient of the table", 4);
    }
  }
}

TYPED_TEST(CpuKernels, UpdatesMatchTheReference) {
  using T = TypeParam;
  for (const auto& table : usable_cpu_kernels<T>()) {
    const std::int64_t count = 1003;
    const auto gradient = this->random(count), weights = this->random(count), mean = this->random(count);
    auto variance = this->random(count);
    for (auto& v : variance) v = v * v;
    const double scale = 0.5;
    auto run = [&](const KernelTable<T>& kernels, std::vector<std::vector<T>>& out) {
      out = {weights, weights, mean, variance};
      kernels.sgd_update({.weights = out[0].data(), .gradient = gradient.data(), .gradient_scale = &scale, .weight_decay = T(0.01), .learning_rate = T(0.3)}, {0, count}, nullptr);
      const AdamUpdate<T> adam{.weights = out[1].data(), .gradient = gradient.data(), .mean = out[2].data(), .variance = out[3].data(),
                               .gradient_scale = &scale, .weight_decay = T(0.01), .beta2 = T(0.999), .beta1_complement = T(0.1),
                               .beta2_complement = T(0.001), .step_size = T(0.02), .variance_correction = T(0.1), .epsilon = T(1e-8)};
      kernels.adam_update(adam, {0, 500}, nullptr);
      kernels.adam_update(adam, {500, count}, nullptr);
    };
    std::vector<std::vector<T>> actual, expected;
    run(table, actual);
    run(reference_kernels<T>(), expected);
    const char* names[] = {"SGD weights", "Adam weights", "Adam mean", "Adam variance"};
    for (std::size_t n = 0; n < expected.size(); ++n) this->expect_near(actual[n], expected[n], names[n], 4);
  }
}

TYPED_TEST(CpuKernels, UpdatesWithANanScaleChangeNothing) {
  using T = TypeParam;
  const std::int64_t count = 103;
  const auto gradient = this->random(count), weights = this->random(count), mean = this->random(count);
  const std::vector<T> variance(static_cast<std::size_t>(count), T(2));
  const double scale = std::numeric_limits<double>::quiet_NaN();
  const std::vector<LambBlock> blocks{{0, count, 0}};
  const std::vector<LambTensor> tensors{{0, 1, true}};
  for (const auto& table : usable_cpu_kernels<T>()) {
    std::vector<T> w = weights, m = mean, v = variance;
    double weight_sum = 1, direction_sum = 1, trust = 1;
    table.sgd_update({.weights = w.data(), .gradient = gradient.data(), .gradient_scale = &scale, .learning_rate = T(0.3)}, {0, count}, nullptr);
    table.adam_update({.weights = w.data(), .gradient = gradient.data(), .mean = m.data(), .variance = v.data(), .gradient_scale = &scale, .step_size = T(0.3)},
                      {0, count}, nullptr);
    const LambUpdate<T> lamb{.weights = w.data(), .gradient = gradient.data(), .mean = m.data(), .variance = v.data(), .blocks = blocks.data(),
                             .tensors = tensors.data(), .weight_sums = &weight_sum, .direction_sums = &direction_sum, .trust = &trust,
                             .gradient_scale = &scale, .learning_rate = T(0.3)};
    table.lamb_moments(lamb, {0, 1}, nullptr);
    table.lamb_trust(lamb, {0, 1}, nullptr);
    table.lamb_apply(lamb, {0, 1}, nullptr);
    EXPECT_EQ(w, weights) << table.name;
    EXPECT_EQ(m, mean) << table.name;
    EXPECT_EQ(v, variance) << table.name;
  }
}

TYPED_TEST(CpuKernels, LambMatchesTheReference) {
  using T = TypeParam;
  const std::vector<LambBlock> blocks{{0, 400, 0}, {400, 437, 0}, {448, 1000, 1}, {1008, 1013, 2}};
  const std::vector<LambTensor> tensors{{0, 2, true}, {2, 3, false}, {3, 4, false}};
  for (const auto& table : usable_cpu_kernels<T>()) {
    const std::int64_t count = 1024;
    const auto gradient = this->random(count), mean = this->random(count);
    auto variance = this->random(count), weights = this->random(count);
    std::fill(weights.begin() + 1008, weights.end(), T(0));
    for (auto& v : variance) v = v * v;
    const double scale = 0.5;
    auto run = [&](const KernelTable<T>& kernels, std::vector<std::vector<T>>& out) {
      out = {weights, mean, variance};
      std::vector<double> weight_sums(4), direction_sums(4), trust(3);
      const LambUpdate<T> lamb{.weights = out[0].data(), .gradient = gradient.data(), .mean = out[1].data(), .variance = out[2].data(),
                               .blocks = blocks.data(), .tensors = tensors.data(), .weight_sums = weight_sums.data(),
                               .direction_sums = direction_sums.data(), .trust = trust.data(), .gradient_scale = &scale,
                               .weight_decay = T(0.1), .beta2 = T(0.999), .beta1_complement = T(0.1), .beta2_complement = T(0.001),
                               .mean_correction = T(3), .variance_correction = T(0.1), .epsilon = T(1e-6), .learning_rate = T(0.3)};
      for (const Range part : {Range{0, 1}, Range{1, 4}}) kernels.lamb_moments(lamb, part, nullptr);
      kernels.lamb_trust(lamb, {0, 3}, nullptr);
      for (const Range part : {Range{0, 3}, Range{3, 4}}) kernels.lamb_apply(lamb, part, nullptr);
      out.push_back({trust.begin(), trust.end()});
    };
    std::vector<std::vector<T>> actual, expected;
    run(table, actual);
    run(reference_kernels<T>(), expected);
    const char* names[] = {"weights", "mean", "variance", "trust"};
    for (std::size_t n = 0; n < expected.size(); ++n) this->expect_near(actual[n], expected[n], names[n], 8);
    EXPECT_EQ(actual[3][2], T(1)) << "weights of length zero";
    for (const std::int64_t padding : {437, 447, 1000, 1007, 1013, 1023}) {
      EXPECT_EQ(actual[0][static_cast<std::size_t>(padding)], weights[static_cast<std::size_t>(padding)]) << padding;
    }
  }
}

TYPED_TEST(CpuKernels, DropoutMasksAreTheSameNumbersWhereverTheRangeBegins) {
  using T = TypeParam;
  const RandomStream stream{.seed = 8, .window = 2, .purpose = Purpose::hidden};
  for (const auto& table : usable_cpu_kernels<T>()) {
    for (const Range range : {Range{0, 40}, Range{3, 4}, Range{5, 29}, Range{7, 7}}) {
      std::vector<T> actual(static_cast<std::size_t>(range.size()), T(9)), expected = actual;
      table.dropout_mask(actual.data(), stream, dropout_threshold(0.5), T(2), range, nullptr);
      reference_kernels<T>().dropout_mask(expected.data(), stream, dropout_threshold(0.5), T(2), range, nullptr);
      EXPECT_EQ(actual, expected);
    }
  }
}

TYPED_TEST(CpuKernels, SquaredNormsAreExactForSmallIntegers) {
  using T = TypeParam;
  const std::int64_t count = 2 * kNormBlock + 5;
  const std::vector<T> values(static_cast<std::size_t>(count), T(-3));
  for (const auto& table : usable_cpu_kernels<T>()) {
    std::vector<double> sums(3);
    table.squared_norm(values.data(), count, sums.data(), {0, 3}, nullptr);
    EXPECT_EQ(sums, (std::vector<double>{9.0 * kNormBlock, 9.0 * kNormBlock, 45.0}));
  }
}

}  // namespace
}  // namespace trellis
