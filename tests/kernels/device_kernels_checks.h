// Kernels of a device against the reference, over awkward sizes, with each optional argument there and not, on and off the
// 16-byte boundaries that vectors need. Written once for what runs the bodies of kernels/cuda: loops on a CPU, and a GPU.
//
// Setup: using Activation, using Memory; static KernelTable<Activation> table(). Memory: put(vector, offset) copies values
// to `offset` elements behind a boundary and returns where, get(pointer, count) brings them back.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace trellis {

class HostMemory {
 public:
  template <class V>
  V* put(const std::vector<V>& values, std::int64_t offset = 0) {
    auto& bytes = owned_.emplace_back(new char[values.size() * sizeof(V) + 16 * sizeof(V) + 16]);
    const auto address = reinterpret_cast<std::uintptr_t>(bytes.get());
    V* const place = reinterpret_cast<V*>((address + 15) / 16 * 16) + offset;
    if (!values.empty()) std::memcpy(place, values.data(), values.size() * sizeof(V));
    return place;
  }
  template <class V>
  std::vector<V> get(const V* place, std::size_t count) {
    return std::vector<V>(place, place + count);
  }

 private:
  std::vector<std::unique_ptr<char[]>> owned_;
};

template <class Setup>
class DeviceKernels : public testing::Test {
 protected:
  using Stored = typename Setup::Activation;
  using Number = Compute<Stored>;
  using Values = std::vector<Number>;
  using Activations = std::vector<Stored>;

  static Number wide(Number value) { return value; }
  template <class V>
  static float wide(V value) requires(sizeof(V) == 2) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
  }

  Values random(std::int64_t count, double scale = 1.0) {
    Values values(static_cast<std::size_t>(count));
    const RandomStream stream{.seed = 31, .window = ++drawn_};
    for (std::size_t n = 0; n < values.size(); ++n) values[n] = static_cast<Number>(scale * stream.normal(n));
    return values;
  }
  Activations activations(std::int64_t count, double scale = 1.0) {
    const Values values = random(count, scale);
    Activations result(values.size());
    reference_kernels<Stored>().round_elements({.from = values.data(), .values = result.data()}, {0, count}, nullptr);
    return result;
  }

  // of the largest value, or of 1 if that is more; activations in bfloat16 within a unit in their last place
  template <class V>
  static void expect_near(const std::vector<V>& actual, const std::vector<V>& expected, const std::string& what, double factor = 1.0) {
    ASSERT_EQ(actual.size(), expected.size()) << what;
    double largest = 1.0;
    for (const V e : expected) largest = std::max(largest, std::abs(static_cast<double>(wide(e))));
    const double limit = factor * largest * (sizeof(Number) == 4 ? 2e-6 : 4e-15);
    for (std::size_t n = 0; n < expected.size(); ++n) {
      const double a = static_cast<double>(wide(actual[n])), e = static_cast<double>(wide(expected[n]));
      const double rounding = sizeof(V) == 2 ? std::abs(e) / 128 : 0.0;
      ASSERT_LE(std::abs(a - e), limit + rounding) << what << ", element " << n << ": " << a << " for " << e;
    }
  }

  // run(kernels, memory) of both sides
  template <class Run>
  auto both(Run run) {
    HostMemory host;
    typename Setup::Memory device;
    return std::pair{run(Setup::table(), device), run(reference_kernels<Stored>(), host)};
  }

  std::uint64_t drawn_ = 0;
};
TYPED_TEST_SUITE_P(DeviceKernels);

struct DeviceGateSize {
  std::int64_t channels, blocks, outputs;
};
inline constexpr DeviceGateSize kDeviceGateSizes[] = {{1, 1, 1}, {3, 1, 2}, {16, 1, 8}, {16, 1, 16}, {33, 1, 5}, {264, 1, 130}, {520, 1, 128}, {5, 5, 3}, {12, 3, 4}, {64, 4, 24}, {600, 2, 256}};

TYPED_TEST_P(DeviceKernels, GatesForwardMatchesTheReference) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  for (const auto& [H, blocks, O] : kDeviceGateSizes) {
    for (const int mode : {0, 1, 2}) {  // nothing optional; everything; everything, off the boundaries
      const bool optional = mode > 0;
      const std::int64_t lanes = 3, rows = 9, h = H, o = O, b = blocks, offset = mode == 2 ? 1 : 0;
      const auto pre = this->activations(rows * 4 * H, 4.0), injection = this->activations(rows * 4 * H);
      const auto bias = this->random(4 * H), previous = this->random(rows * H), mask = this->random(lanes * H), output_mask = this->random(lanes * O);
      const std::vector<A> no_activations(static_cast<std::size_t>(rows * H));
      const std::vector<T> no_cells(static_cast<std::size_t>(rows * H)), no_outputs(static_cast<std::size_t>(rows * O));
      const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
        GatesForward<A> k;
        k.channels = h, k.blocks = b, k.outputs = o, k.lanes = lanes, k.output_count = optional ? 2 : 0;
        k.gates = memory.put(pre, offset), k.injection = optional ? memory.put(injection, offset) : nullptr;
        k.bias = memory.put(bias, offset), k.previous_cell = memory.put(previous, offset);
        k.hidden_mask = optional ? memory.put(mask, offset) : nullptr;
        k.cell = memory.put(no_cells, offset), k.hidden = memory.put(no_activations, offset);
        k.output[0] = {memory.put(no_outputs, offset), memory.put(output_mask, offset)};
        k.output[1] = {memory.put(no_outputs, offset), nullptr};
        kernels.gates_forward(k, {0, 4}, nullptr);
        kernels.gates_forward(k, {4, rows}, nullptr);
        return std::tuple{memory.get(k.gates, pre.size()), memory.get(k.hidden, no_activations.size()), memory.get(k.cell, no_cells.size()),
                          memory.get(k.output[0].values, no_outputs.size()), memory.get(k.output[1].values, no_outputs.size())};
      });
      const std::string size = std::to_string(H) + " channels, mode " + std::to_string(mode);
      this->expect_near(std::get<0>(actual), std::get<0>(expected), "gates, " + size);
      this->expect_near(std::get<1>(actual), std::get<1>(expected), "hidden, " + size);
      this->expect_near(std::get<2>(actual), std::get<2>(expected), "cell, " + size);
      this->expect_near(std::get<3>(actual), std::get<3>(expected), "masked output, " + size);
      this->expect_near(std::get<4>(actual), std::get<4>(expected), "output, " + size);
    }
  }
}

TYPED_TEST_P(DeviceKernels, GatesBackwardMatchesTheReference) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  for (const auto& [H, blocks, O] : kDeviceGateSizes) {
    for (const int mode : {0, 1, 2, 3}) {  // nothing optional; everything; off the boundaries; the injection's gradient overwritten
      const bool optional = mode > 0;
      const std::int64_t lanes = 2, rows = 6, h = H, o = O, b = blocks, offset = mode == 2 ? 1 : 0;
      const auto gates = this->activations(rows * 4 * H, 0.4), d_hidden = this->activations(rows * H);
      const auto cell = this->random(rows * H), previous = this->random(rows * H), mask = this->random(lanes * H), output_mask = this->random(lanes * O),
                 d_cell = this->random(rows * H), d_output = this->random(rows * O), d_injection = this->random(rows * 4 * H);
      const std::vector<T> no_cells(static_cast<std::size_t>(rows * H));
      const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
        GatesBackward<A> k;
        k.channels = h, k.blocks = b, k.outputs = o, k.lanes = lanes, k.output_count = optional ? 3 : 1;
        k.gates = memory.put(gates, offset), k.cell = memory.put(cell, offset), k.previous_cell = memory.put(previous, offset);
        k.hidden_mask = optional ? memory.put(mask, offset) : nullptr, k.d_hidden = optional ? memory.put(d_hidden, offset) : nullptr;
        k.d_cell = optional ? memory.put(d_cell, offset) : nullptr;
        k.output[0] = {memory.put(d_output, offset), memory.put(output_mask, offset)};
        k.output[1] = {memory.put(d_output, offset), nullptr};
        k.output[2] = {memory.put(d_output, offset), memory.put(output_mask, offset)};
        T* const d_previous = memory.put(no_cells, offset), *const injection = memory.put(d_injection, offset);
        if (optional) k.d_previous_cell = d_previous, k.d_injection = injection;
        k.add_to_injection = mode != 3;
        kernels.gates_backward(k, {0, 1}, nullptr);
        kernels.gates_backward(k, {1, rows}, nullptr);
        return std::tuple{memory.get(k.gates, gates.size()), memory.get(d_previous, no_cells.size()), memory.get(injection, d_injection.size())};
      });
      const std::string size = std::to_string(H) + " channels, mode " + std::to_string(mode);
      this->expect_near(std::get<0>(actual), std::get<0>(expected), "gradient of the gates, " + size, 4);
      this->expect_near(std::get<1>(actual), std::get<1>(expected), "gradient of the cell below, " + size, 4);
      this->expect_near(std::get<2>(actual), std::get<2>(expected), "gradient of the injection, " + size, 4);
    }
  }
}

TYPED_TEST_P(DeviceKernels, EffectiveKernelsMatchTheReference) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  for (const std::int64_t channels : {1, 7, 130, 1031}) {
    for (const std::int64_t taps : {2, 3}) {
      for (const bool normalised : {false, true}) {
        for (const int masking : {0, 1, 2}) {
          const std::int64_t rows = 5, count = rows * taps * channels;
          auto direction = this->random(count);
          std::fill(direction.begin(), direction.begin() + taps * channels, T(0));  // a row of zeros gives zeros, no NaN
          const auto gain = this->random(rows), gradient = this->random(count), given = this->random(count);
          const std::vector<A> no_kernel(static_cast<std::size_t>(count));
          const std::vector<T> no_gain(static_cast<std::size_t>(rows));
          const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
            KernelMask<T> mask;
            if (masking == 1) mask.given = memory.put(given);
            if (masking == 2) {
              mask.threshold = dropout_threshold(0.4), mask.scale = T(1 / 0.6);
              mask.stream = {.seed = 5, .window = 3, .purpose = Purpose::hidden_kernel};
            }
            EffectiveKernelForward<A> forward{.taps = taps, .channels = channels, .direction = memory.put(direction),
                                              .gain = normalised ? memory.put(gain) : nullptr, .mask = mask, .kernel = memory.put(no_kernel)};
            kernels.effective_kernel_forward(forward, {0, 2}, nullptr);
            kernels.effective_kernel_forward(forward, {2, rows}, nullptr);
            T* const d_gain = memory.put(no_gain);
            EffectiveKernelBackward<T> backward{.taps = taps, .channels = channels, .direction = forward.direction, .gain = forward.gain, .mask = mask,
                                                .d_kernel = memory.put(gradient), .d_gain = normalised ? d_gain : nullptr};
            kernels.effective_kernel_backward(backward, {0, rows}, nullptr);
            return std::tuple{memory.get(forward.kernel, no_kernel.size()), memory.get(backward.d_kernel, gradient.size()), memory.get(d_gain, no_gain.size())};
          });
          this->expect_near(std::get<0>(actual), std::get<0>(expected), "kernel", 10);
          this->expect_near(std::get<1>(actual), std::get<1>(expected), "gradient of the direction", 10);
          this->expect_near(std::get<2>(actual), std::get<2>(expected), "gradient of the gain", 10);
        }
      }
    }
  }
}

TYPED_TEST_P(DeviceKernels, EmbeddingMatchesTheReferenceAndSumsAWordsRowsInTheirOrder) {
  using A = typename TypeParam::Activation;
  for (const std::int64_t channels : {8, 37, 300}) {
    for (const std::int64_t rows : {9, 255, 1203}) {
      for (const bool masked : {false, true}) {
        const std::int64_t lanes = 3, words = 40;
        std::vector<std::int64_t> tokens(static_cast<std::size_t>(rows));
        for (std::size_t n = 0; n < tokens.size(); ++n) tokens[n] = static_cast<std::int64_t>(n * n * 7 % 41 % 40);
        const auto weights = this->random(words * channels), word_mask = this->random(words), input_mask = this->random(lanes * channels),
                   before = this->random(words * channels);
        const auto gradient = this->activations(rows * channels);
        const std::vector<A> no_values(gradient.size());
        const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
          EmbeddingForward<A> forward;
          forward.channels = channels, forward.lanes = lanes, forward.tokens = memory.put(tokens), forward.table = memory.put(weights);
          if (masked) forward.word_mask = memory.put(word_mask), forward.input_mask = memory.put(input_mask);
          forward.values = memory.put(no_values);
          kernels.embedding_forward(forward, {0, 2}, nullptr);
          kernels.embedding_forward(forward, {2, rows}, nullptr);
          EmbeddingBackward<A> backward;
          backward.channels = channels, backward.lanes = lanes, backward.rows = rows, backward.tokens = forward.tokens;
          backward.word_mask = forward.word_mask, backward.input_mask = forward.input_mask;
          backward.d_values = memory.put(gradient), backward.d_table = memory.put(before);
          kernels.embedding_backward(backward, {0, 5}, nullptr);
          kernels.embedding_backward(backward, {5, channels}, nullptr);
          return std::pair{memory.get(forward.values, no_values.size()), memory.get(backward.d_table, before.size())};
        });
        this->expect_near(actual.first, expected.first, "values");
        this->expect_near(actual.second, expected.second, "gradient of the table", 8);
      }
    }
  }
}

TYPED_TEST_P(DeviceKernels, StepsAreGatheredAndScatteredAsByTheReference) {
  using A = typename TypeParam::Activation;
  for (const std::int64_t channels : {1, 16, 37, 264}) {
    const std::int64_t lanes = 3, steps = 4, sources = 6, stride = 2 * channels;
    const std::vector<std::int64_t> places{5, -1, 0, 3};
    const auto source = this->activations(sources * lanes * channels), values = this->activations(steps * lanes * stride);
    const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
      GatherSteps<A> gather{.channels = channels, .lanes = lanes, .places = memory.put(places), .source = memory.put(source), .stride = stride, .values = memory.put(values)};
      kernels.gather_steps(gather, {0, 5}, nullptr);
      kernels.gather_steps(gather, {5, steps * lanes}, nullptr);
      ScatterAddSteps<A> scatter{.channels = channels, .lanes = lanes, .places = gather.places, .stride = stride, .values = memory.put(values), .sums = memory.put(source)};
      kernels.scatter_add_steps(scatter, {0, steps * lanes}, nullptr);
      return std::pair{memory.get(gather.values, values.size()), memory.get(scatter.sums, source.size())};
    });
    this->expect_near(actual.first, expected.first, "gathered");
    this->expect_near(actual.second, expected.second, "scattered");
  }
}

TYPED_TEST_P(DeviceKernels, CrossEntropyMatchesTheReferenceAndKeepsNaNVisible) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  for (const std::int64_t classes : {1, 2, 17, 512, 4097, 20'004}) {
    for (const bool with_gradient : {false, true}) {
      const std::int64_t rows = 4, stride = classes + classes % 4;
      const auto logits = this->random(rows * stride, 20.0), scale = this->random(rows);
      const std::vector<std::int64_t> targets{0, classes - 1, classes / 2, classes / 3};
      const std::vector<double> no_loss(4);
      const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
        CrossEntropy<T> k{.classes = classes, .stride = stride, .logits = memory.put(logits), .targets = memory.put(targets),
                          .loss = memory.put(no_loss), .scale = with_gradient ? memory.put(scale) : nullptr};
        kernels.cross_entropy(k, {0, 3}, nullptr);
        kernels.cross_entropy(k, {3, rows}, nullptr);
        return std::pair{memory.get(k.logits, logits.size()), memory.get(k.loss, 4)};
      });
      this->expect_near(actual.first, expected.first, "gradient of the logits", 5);
      for (std::size_t n = 0; n < 4; ++n) EXPECT_NEAR(actual.second[n], expected.second[n], (sizeof(T) == 4 ? 2e-6 : 4e-15) * std::max(1.0, expected.second[n])) << classes;
    }
  }
  const std::vector<T> with_nan{T(1), std::numeric_limits<T>::quiet_NaN(), T(2)};
  const auto [loss, ignored] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
    CrossEntropy<T> k{.classes = 3, .stride = 3, .logits = memory.put(with_nan), .targets = memory.put(std::vector<std::int64_t>{0}), .loss = memory.put(std::vector<double>{0.0}), .scale = nullptr};
    kernels.cross_entropy(k, {0, 1}, nullptr);
    return memory.get(k.loss, 1).front();
  });
  EXPECT_TRUE(std::isnan(loss));
}

TYPED_TEST_P(DeviceKernels, StripesOfASoftmaxMatchTheReference) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  for (const std::int64_t classes : {0, 1, 17, 512, 4097}) {
    for (const bool keep : {false, true}) {
      const std::int64_t rows = 4, stride = classes + classes % 4;
      const auto logits = this->random(rows * stride + 1, 20.0), scale = this->random(rows);
      const std::vector<std::int64_t> targets{-1, classes - 1, classes / 2 - (classes == 0), -1};
      const std::vector<double> normaliser{21.0, 22.5, 25.0, 40.0}, no_numbers(rows * kSoftmaxNumbers);
      const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
        SoftmaxStatistics<T> k{.classes = classes, .stride = stride, .logits = memory.put(logits), .targets = memory.put(targets),
                               .numbers = memory.put(no_numbers), .keep_exponentials = keep};
        kernels.softmax_statistics(k, {0, 3}, nullptr);
        kernels.softmax_statistics(k, {3, rows}, nullptr);
        SoftmaxGradient<T> gradient{.classes = classes, .stride = stride, .exponentials = k.logits, .targets = k.targets, .numbers = k.numbers,
                                    .log_normaliser = memory.put(normaliser), .scale = memory.put(scale)};
        if (keep) kernels.softmax_gradient(gradient, {0, rows}, nullptr);
        return std::pair{memory.get(k.logits, logits.size()), memory.get(k.numbers, no_numbers.size())};
      });
      this->expect_near(actual.first, expected.first, "logits, or their gradient", 5);
      for (std::size_t n = 0; n < no_numbers.size(); ++n) {
        if (std::isinf(expected.second[n])) {
          EXPECT_EQ(actual.second[n], expected.second[n]);
        } else {
          EXPECT_NEAR(actual.second[n], expected.second[n], (sizeof(T) == 4 ? 2e-6 : 4e-15) * std::max(1.0, std::abs(expected.second[n]))) << classes;
        }
      }
    }
  }
}

TYPED_TEST_P(DeviceKernels, UpdatesMatchTheReference) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  const std::int64_t count = 1003;
  const auto gradient = this->random(count), weights = this->random(count), mean = this->random(count);
  auto variance = this->random(count);
  for (auto& v : variance) v = v * v;
  for (const std::int64_t offset : {0, 1}) {
    const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
      const double* const scale = memory.put(std::vector<double>{0.5});
      SgdUpdate<T> sgd{.weights = memory.put(weights, offset), .gradient = memory.put(gradient, offset), .gradient_scale = scale, .weight_decay = T(0.01), .learning_rate = T(0.3)};
      kernels.sgd_update(sgd, {0, count}, nullptr);
      AdamUpdate<T> adam{.weights = memory.put(weights, offset), .gradient = sgd.gradient, .mean = memory.put(mean, offset), .variance = memory.put(variance, offset),
                         .gradient_scale = scale, .weight_decay = T(0.01), .beta2 = T(0.999), .beta1_complement = T(0.1),
                         .beta2_complement = T(0.001), .step_size = T(0.02), .variance_correction = T(0.1), .epsilon = T(1e-8)};
      kernels.adam_update(adam, {0, 500}, nullptr);
      kernels.adam_update(adam, {500, 501}, nullptr);
      kernels.adam_update(adam, {501, count}, nullptr);
      return std::tuple{memory.get(sgd.weights, weights.size()), memory.get(adam.weights, weights.size()), memory.get(adam.mean, weights.size()), memory.get(adam.variance, weights.size())};
    });
    this->expect_near(std::get<0>(actual), std::get<0>(expected), "SGD weights", 4);
    this->expect_near(std::get<1>(actual), std::get<1>(expected), "Adam weights", 4);
    this->expect_near(std::get<2>(actual), std::get<2>(expected), "Adam mean", 4);
    this->expect_near(std::get<3>(actual), std::get<3>(expected), "Adam variance", 4);
  }
}

TYPED_TEST_P(DeviceKernels, UpdatesWithANanScaleChangeNothing) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  const std::int64_t count = 1003;
  const auto gradient = this->random(count), weights = this->random(count), mean = this->random(count);
  const std::vector<T> variance(static_cast<std::size_t>(count), T(2));
  const std::vector<LambBlock> blocks{{0, count, 0}};
  const std::vector<LambTensor> tensors{{0, 1, true}};
  const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
    const double* const scale = memory.put(std::vector<double>{std::numeric_limits<double>::quiet_NaN()});
    const SgdUpdate<T> sgd{.weights = memory.put(weights), .gradient = memory.put(gradient), .gradient_scale = scale, .learning_rate = T(0.3)};
    kernels.sgd_update(sgd, {0, count}, nullptr);
    const AdamUpdate<T> adam{.weights = memory.put(weights), .gradient = sgd.gradient, .mean = memory.put(mean), .variance = memory.put(variance),
                             .gradient_scale = scale, .beta2 = T(0.999), .beta1_complement = T(0.1), .beta2_complement = T(0.001), .step_size = T(0.02)};
    kernels.adam_update(adam, {0, count}, nullptr);
    const LambUpdate<T> lamb{.weights = memory.put(weights), .gradient = sgd.gradient, .mean = memory.put(mean), .variance = memory.put(variance),
                             .blocks = memory.put(blocks), .tensors = memory.put(tensors), .weight_sums = memory.put(std::vector<double>{1}),
                             .direction_sums = memory.put(std::vector<double>{1}), .trust = memory.put(std::vector<double>{1}), .gradient_scale = scale,
                             .beta2 = T(0.999), .beta1_complement = T(0.1), .beta2_complement = T(0.001), .learning_rate = T(0.3)};
    kernels.lamb_moments(lamb, {0, 1}, nullptr);
    kernels.lamb_trust(lamb, {0, 1}, nullptr);
    kernels.lamb_apply(lamb, {0, 1}, nullptr);
    const auto n = static_cast<std::size_t>(count);
    return std::vector{memory.get(sgd.weights, n), memory.get(adam.weights, n), memory.get(adam.mean, n), memory.get(adam.variance, n),
                       memory.get(lamb.weights, n), memory.get(lamb.mean, n), memory.get(lamb.variance, n)};
  });
  const std::vector unchanged{weights, weights, mean, variance, weights, mean, variance};
  for (std::size_t n = 0; n < unchanged.size(); ++n) {
    EXPECT_EQ(actual[n], unchanged[n]) << n;
    EXPECT_EQ(expected[n], unchanged[n]) << n << ", reference";
  }
}

TYPED_TEST_P(DeviceKernels, LambMatchesTheReference) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  const std::vector<LambBlock> blocks{{0, 400, 0}, {400, 437, 0}, {448, 1000, 1}, {1008, 1013, 2}};
  const std::vector<LambTensor> tensors{{0, 2, true}, {2, 3, false}, {3, 4, false}};
  const std::int64_t count = 1024;
  const auto gradient = this->random(count), mean = this->random(count);
  auto variance = this->random(count), weights = this->random(count);
  std::fill(weights.begin() + 1008, weights.end(), T(0));  // a tensor of length zero, and padding
  for (auto& v : variance) v = v * v;
  const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
    const LambUpdate<T> lamb{.weights = memory.put(weights), .gradient = memory.put(gradient), .mean = memory.put(mean), .variance = memory.put(variance),
                             .blocks = memory.put(blocks), .tensors = memory.put(tensors), .weight_sums = memory.put(std::vector<double>(4, 9.0)),
                             .direction_sums = memory.put(std::vector<double>(4, 9.0)), .trust = memory.put(std::vector<double>(3, 9.0)),
                             .gradient_scale = memory.put(std::vector<double>{0.5}), .weight_decay = T(0.1), .beta2 = T(0.999), .beta1_complement = T(0.1),
                             .beta2_complement = T(0.001), .mean_correction = T(3), .variance_correction = T(0.1), .epsilon = T(1e-6),
                             .learning_rate = T(0.3)};
    for (const Range part : {Range{0, 1}, Range{1, 4}}) kernels.lamb_moments(lamb, part, nullptr);
    kernels.lamb_trust(lamb, {0, 3}, nullptr);
    for (const Range part : {Range{0, 3}, Range{3, 4}}) kernels.lamb_apply(lamb, part, nullptr);
    const std::vector<double> trust = memory.get(lamb.trust, 3);
    return std::tuple{memory.get(lamb.weights, weights.size()), memory.get(lamb.mean, weights.size()), memory.get(lamb.variance, weights.size()),
                      std::vector<T>(trust.begin(), trust.end())};
  });
  this->expect_near(std::get<0>(actual), std::get<0>(expected), "weights", 8);
  this->expect_near(std::get<1>(actual), std::get<1>(expected), "mean", 8);
  this->expect_near(std::get<2>(actual), std::get<2>(expected), "variance", 8);
  this->expect_near(std::get<3>(actual), std::get<3>(expected), "trust", 8);
}

TYPED_TEST_P(DeviceKernels, DropoutMasksAreTheVerySameNumbers) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  const RandomStream stream{.seed = 0x123456789abcdef, .window = 1ull << 33, .purpose = Purpose::hidden, .part = 7};
  for (const Range range : {Range{0, 40}, Range{3, 4}, Range{5, 1029}, Range{7, 7}, Range{(1ll << 35) + 1, (1ll << 35) + 50}}) {
    const std::vector<T> nothing(static_cast<std::size_t>(range.size()), T(9));
    const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
      T* const mask = memory.put(nothing);
      kernels.dropout_mask(mask, stream, dropout_threshold(0.5), T(2), range, nullptr);
      return memory.get(mask, nothing.size());
    });
    EXPECT_EQ(actual, expected);
  }
}

TYPED_TEST_P(DeviceKernels, SquaredNormsAreExactForSmallIntegers) {
  using A = typename TypeParam::Activation;
  using T = Compute<A>;
  const std::int64_t count = 2 * kNormBlock + 5;
  const std::vector<T> values(static_cast<std::size_t>(count), T(-3));
  const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
    double* const sums = memory.put(std::vector<double>(3));
    kernels.squared_norm(memory.put(values), count, sums, {0, 2}, nullptr);
    kernels.squared_norm(memory.put(values), count, sums, {2, 3}, nullptr);
    return memory.get(sums, 3);
  });
  EXPECT_EQ(actual, expected);
  EXPECT_EQ(actual, (std::vector<double>{9.0 * kNormBlock, 9.0 * kNormBlock, 45.0}));
}

TYPED_TEST_P(DeviceKernels, ConversionsAreTheReferencesExactly) {
  using A = typename TypeParam::Activation;
  for (const std::int64_t columns : {1, 8, 37, 264}) {
    for (const bool add : {false, true}) {
      const std::int64_t rows = 5, stride = columns + 8;
      const auto from = this->random(rows * columns), sums = this->random(rows * stride);
      const std::vector<A> nothing(from.size());
      const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
        RoundElements<A> round{.from = memory.put(from), .values = memory.put(nothing)};
        kernels.round_elements(round, {0, 3}, nullptr);
        kernels.round_elements(round, {3, rows * columns}, nullptr);
        WidenRows<A> widen{.columns = columns, .values = round.values, .stride = stride, .sums = memory.put(sums), .add = add};
        kernels.widen_rows(widen, {0, rows}, nullptr);
        return std::pair{memory.get(round.values, nothing.size()), memory.get(widen.sums, sums.size())};
      });
      for (std::size_t n = 0; n < nothing.size(); ++n) ASSERT_EQ(std::memcmp(&actual.first[n], &expected.first[n], sizeof(A)), 0) << n;
      EXPECT_EQ(actual.second, expected.second);
    }
  }
}

TYPED_TEST_P(DeviceKernels, ColumnSumsMatchTheReference) {
  using A = typename TypeParam::Activation;
  for (const std::int64_t columns : {1, 33, 264}) {
    for (const std::int64_t rows : {0, 1, 64, 150}) {
      const std::int64_t stride = columns + 3;
      const auto values = this->activations(rows * stride);
      const auto sums = this->random(columns);
      const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
        ColumnSums<A> k;
        k.rows = rows, k.columns = columns, k.stride = stride, k.values = memory.put(values), k.sums = memory.put(sums);
        kernels.column_sums(k, {0, columns / 2}, nullptr);
        kernels.column_sums(k, {columns / 2, columns}, nullptr);
        return memory.get(k.sums, sums.size());
      });
      this->expect_near(actual, expected, "sums", 4);
    }
  }
}

TYPED_TEST_P(DeviceKernels, LevelSumsMatchTheReference) {
  using A = typename TypeParam::Activation;
  const std::vector<std::int64_t> lists[] = {{}, {3}, {4, 3, 2, 1, 0}, {4, 1}};
  for (const std::int64_t count : {1, 33, 264, 1000}) {
    for (const std::int64_t gap : {0, 1, 8}) {  // between levels: on and off the vectors' boundaries
      for (const std::vector<std::int64_t>& places : lists) {
        const std::int64_t distance = count + gap;
        const auto values = this->activations(5 * distance);
        const std::vector<A> untouched(static_cast<std::size_t>(count));
        const auto [actual, expected] = this->both([&](const KernelTable<A>& kernels, auto& memory) {
          LevelSums<A> k;
          k.count = static_cast<std::int64_t>(places.size()), k.places = memory.put(places), k.distance = distance;
          k.values = memory.put(values), k.sums = memory.put(untouched);
          kernels.level_sums(k, {0, count / 2}, nullptr);
          kernels.level_sums(k, {count / 2, count}, nullptr);
          return memory.get(k.sums, untouched.size());
        });
        for (std::size_t n = 0; n < actual.size(); ++n) ASSERT_EQ(std::memcmp(&actual[n], &expected[n], sizeof(A)), 0) << n;
      }
    }
  }
}

REGISTER_TYPED_TEST_SUITE_P(DeviceKernels, GatesForwardMatchesTheReference, GatesBackwardMatchesTheReference, EffectiveKernelsMatchTheReference,
                            EmbeddingMatchesTheReferenceAndSumsAWordsRowsInTheirOrder, StepsAreGatheredAndScatteredAsByTheReference,
                            CrossEntropyMatchesTheReferenceAndKeepsNaNVisible, StripesOfASoftmaxMatchTheReference, UpdatesMatchTheReference,
                            UpdatesWithANanScaleChangeNothing, LambMatchesTheReference, DropoutMasksAreTheVerySameNumbers,
                            SquaredNormsAreExactForSmallIntegers, ConversionsAreTheReferencesExactly, ColumnSumsMatchTheReference,
                            LevelSumsMatchTheReference);

}  // namespace trellis
