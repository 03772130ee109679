// What every kernel of a table makes of fixed input, as one number a kernel: equal numbers are equal bits. Inputs are made of random words
// without rounding, sizes are odd, so that vectors have rests.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/table.h"

namespace trellis {

// FNV-1a of bytes.
class Digest {
 public:
  template <class E>
  void add(const std::vector<E>& values) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t n = 0; n < values.size() * sizeof(E); ++n) value_ = (value_ ^ bytes[n]) * 0x100000001b3u;
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0xcbf29ce484222325u;
};

template <class A>
class KernelDigests {
 public:
  using T = Compute<A>;
  KernelDigests(const KernelTable<A>& kernels, std::map<std::string, Digest>& digests) : kernels_(kernels), digests_(digests) {}

  void run() {
    functions();
    gates();
    effective_kernels();
    embedding();
    steps();
    softmax();
    updates();
    sums();
  }

 private:
  static constexpr std::int64_t kRows = 9, kLanes = 3, kChannels = 333, kOutputs = 200;

  // In [-scale, scale), scale a power of two; of activations those that bfloat16 has.
  template <class E>
  std::vector<E> draw(std::int64_t count, double scale = 1) {
    std::vector<E> values(static_cast<std::size_t>(count));
    const RandomStream stream{.seed = 7, .window = ++drawn_};
    for (std::size_t n = 0; n < values.size(); ++n) {
      const double uniform = static_cast<double>(static_cast<std::int32_t>(stream.word(n))) / 2147483648.0;
      if constexpr (std::is_same_v<E, BFloat16>) {
        const float value = static_cast<float>(scale * static_cast<double>(static_cast<std::int32_t>(uniform * 128)) / 128);
        std::uint32_t bits;
        __builtin_memcpy(&bits, &value, sizeof bits);
        values[n] = {static_cast<std::uint16_t>(bits >> 16)};
      } else {
        values[n] = static_cast<E>(scale * uniform);
      }
    }
    return values;
  }
  template <class... Outputs>
  void add(const std::string& kernel, const Outputs&... outputs) {
    (digests_[kernel].add(outputs), ...);
  }

  void functions() {
    for (const auto& [function, name] : {std::pair{ElementFunction::exponential, "exp"}, {ElementFunction::logarithm, "log"},
                                         {ElementFunction::hyperbolic_tangent, "tanh"}, {ElementFunction::logistic, "logistic"}}) {
      for (const double scale : {0.0078125, 2.0, 16.0, 64.0}) {
        auto values = draw<T>(40'003, scale);
        if (function == ElementFunction::logarithm) {
          for (T& value : values) value = value < 0 ? -value : value;
        }
        kernels_.apply_function({.function = function, .values = values.data()}, {0, 40'003}, nullptr);
        add(name, values);
      }
    }
  }

  void gates() {
    for (const bool optional : {false, true}) {
      const std::int64_t H = kChannels;
      auto gates = draw<A>(kRows * 4 * H, 8), d_hidden = draw<A>(kRows * H);
      const auto injection = draw<A>(kRows * 4 * H, 2);
      const auto bias = draw<T>(4 * H), previous = draw<T>(kRows * H, 4), mask = draw<T>(kLanes * H), d_cell = draw<T>(kRows * H);
      std::vector<T> cell(kRows * H), output(kRows * kOutputs), d_previous(kRows * H);
      std::vector<A> hidden(kRows * H);
      GatesForward<A> forward;
      forward.channels = H, forward.blocks = optional ? 3 : 1, forward.outputs = kOutputs, forward.lanes = kLanes;
      forward.gates = gates.data(), forward.injection = optional ? injection.data() : nullptr, forward.bias = bias.data();
      forward.previous_cell = previous.data(), forward.hidden_mask = optional ? mask.data() : nullptr;
      forward.cell = cell.data(), forward.hidden = hidden.data(), forward.output_count = 1, forward.output[0] = {output.data(), nullptr};
      kernels_.gates_forward(forward, {0, kRows}, nullptr);
      add("gates_forward", gates, cell, hidden, output);

      auto d_injection = draw<T>(kRows * 4 * H);
      GatesBackward<A> backward;
      backward.channels = H, backward.blocks = forward.blocks, backward.outputs = kOutputs, backward.lanes = kLanes;
      backward.gates = gates.data(), backward.cell = cell.data(), backward.previous_cell = previous.data();
      backward.hidden_mask = forward.hidden_mask, backward.d_hidden = d_hidden.data(), backward.d_cell = d_cell.data();
      backward.output_count = 1, backward.output[0] = {output.data(), nullptr};
      backward.d_previous_cell = d_previous.data(), backward.d_injection = d_injection.data(), backward.add_to_injection = optional;
      kernels_.gates_backward(backward, {0, kRows}, nullptr);
      add("gates_backward", gates, d_previous, d_injection);
    }
  }

  void effective_kernels() {
    for (const bool dropped : {false, true}) {
      const std::int64_t taps = 2, rows = 5, count = rows * taps * kChannels;
      const auto direction = draw<T>(count), gain = draw<T>(rows);
      auto gradient = draw<T>(count);
      std::vector<A> kernel(count);
      std::vector<T> d_gain(rows);
      KernelMask<T> mask;
      if (dropped) mask.stream = {.seed = 5}, mask.threshold = dropout_threshold(0.25), mask.scale = T(1.5);
      kernels_.effective_kernel_forward({.taps = taps, .channels = kChannels, .direction = direction.data(), .gain = gain.data(),
                                         .mask = mask, .kernel = kernel.data()}, {0, rows}, nullptr);
      add("effective_kernel_forward", kernel);
      kernels_.effective_kernel_backward({.taps = taps, .channels = kChannels, .direction = direction.data(), .gain = gain.data(),
                                          .mask = mask, .d_kernel = gradient.data(), .d_gain = d_gain.data()}, {0, rows}, nullptr);
      add("effective_kernel_backward", gradient, d_gain);
    }
  }

  void embedding() {
    const std::int64_t words = 5;
    const std::vector<std::int64_t> tokens{4, 0, 4, 4, 1, 2, 0, 4, 3};
    const auto table = draw<T>(words * kChannels), word_mask = draw<T>(words), input_mask = draw<T>(kLanes * kChannels);
    const auto gradient = draw<A>(kRows * kChannels);
    auto d_table = draw<T>(words * kChannels);
    std::vector<A> values(kRows * kChannels);
    kernels_.embedding_forward({.channels = kChannels, .lanes = kLanes, .tokens = tokens.data(), .table = table.data(),
                                .word_mask = word_mask.data(), .input_mask = input_mask.data(), .values = values.data()}, {0, kRows}, nullptr);
    add("embedding_forward", values);
    kernels_.embedding_backward({.channels = kChannels, .lanes = kLanes, .rows = kRows, .tokens = tokens.data(), .word_mask = word_mask.data(),
                                 .input_mask = input_mask.data(), .d_values = gradient.data(), .d_table = d_table.data()}, {0, kChannels}, nullptr);
    add("embedding_backward", d_table);
  }

  void steps() {
    const std::vector<std::int64_t> places{2, -1, 0};
    const auto source = draw<A>(kRows * kChannels);
    auto values = draw<A>(kRows * kChannels), added = draw<A>(kRows * kChannels);
    GatherSteps<A> gather;
    gather.channels = kChannels, gather.lanes = kLanes, gather.stride = kChannels;
    gather.places = places.data(), gather.source = source.data(), gather.values = values.data();
    kernels_.gather_steps(gather, {0, kRows}, nullptr);
    add("gather_steps", values);
    ScatterAddSteps<A> scatter;
    scatter.channels = kChannels, scatter.lanes = kLanes, scatter.stride = kChannels;
    scatter.places = places.data(), scatter.values = values.data(), scatter.sums = added.data();
    kernels_.scatter_add_steps(scatter, {0, kRows}, nullptr);
    add("scatter_add_steps", added);
  }

  void softmax() {
    for (const std::int64_t classes : {50, 4'099}) {
      const auto logits = draw<T>(kRows * classes, 16), scale = draw<T>(kRows);
      const std::vector<std::int64_t> targets{0, 49, 7, 8, 9, 10, 11, 12, 13};
      for (const bool with_gradient : {false, true}) {
        auto values = logits;
        std::vector<double> loss(kRows);
        kernels_.cross_entropy({.classes = classes, .stride = classes, .logits = values.data(), .targets = targets.data(), .loss = loss.data(),
                                .scale = with_gradient ? scale.data() : nullptr}, {0, kRows}, nullptr);
        add("cross_entropy", values, loss);
      }
      auto values = logits;
      std::vector<double> numbers(kRows * kSoftmaxNumbers), normaliser = draw<double>(kRows);
      kernels_.softmax_statistics({.classes = classes, .stride = classes, .logits = values.data(), .targets = targets.data(),
                                   .numbers = numbers.data(), .keep_exponentials = true}, {0, kRows}, nullptr);
      add("softmax_statistics", values, numbers);
      for (double& number : normaliser) number += 17;
      kernels_.softmax_gradient({.classes = classes, .stride = classes, .exponentials = values.data(), .targets = targets.data(),
                                 .numbers = numbers.data(), .log_normaliser = normaliser.data(), .scale = scale.data()}, {0, kRows}, nullptr);
      add("softmax_gradient", values);
    }
  }

  void updates() {
    const std::int64_t count = 70'007;
    const auto gradient = draw<T>(count);
    auto weights = draw<T>(count), mean = draw<T>(count), variance = draw<T>(count);
    for (T& value : variance) value *= value;
    const double scale = 0.625;
    SgdUpdate<T> sgd;
    sgd.weights = weights.data(), sgd.gradient = gradient.data(), sgd.gradient_scale = &scale;
    sgd.weight_decay = T(0.01), sgd.learning_rate = T(0.3);
    kernels_.sgd_update(sgd, {0, count}, nullptr);
    add("sgd_update", weights);
    AdamUpdate<T> adam;
    adam.weights = weights.data(), adam.gradient = gradient.data(), adam.mean = mean.data(), adam.variance = variance.data();
    adam.gradient_scale = &scale, adam.weight_decay = T(0.01), adam.beta2 = T(0.999), adam.beta1_complement = T(0.1);
    adam.beta2_complement = T(0.001), adam.step_size = T(0.003), adam.variance_correction = T(0.7), adam.epsilon = T(1e-8);
    kernels_.adam_update(adam, {0, count}, nullptr);
    add("adam_update", weights, mean, variance);
    const std::vector<LambBlock> blocks{{0, kNormBlock, 0}, {kNormBlock, count - 1'001, 0}, {count - 1'001, count, 1}};
    const std::vector<LambTensor> tensors{{0, 2, true}, {2, 3, false}};
    std::vector<double> weight_sums(3), direction_sums(3), trust(2);
    LambUpdate<T> lamb;
    lamb.weights = weights.data(), lamb.gradient = gradient.data(), lamb.mean = mean.data(), lamb.variance = variance.data();
    lamb.blocks = blocks.data(), lamb.tensors = tensors.data(), lamb.weight_sums = weight_sums.data();
    lamb.direction_sums = direction_sums.data(), lamb.trust = trust.data(), lamb.gradient_scale = &scale;
    lamb.weight_decay = T(0.01), lamb.beta2 = T(0.999), lamb.beta1_complement = T(0.1), lamb.beta2_complement = T(0.001);
    lamb.mean_correction = T(1.7), lamb.variance_correction = T(0.7), lamb.epsilon = T(1e-8), lamb.learning_rate = T(0.003);
    kernels_.lamb_moments(lamb, {0, 3}, nullptr);
    add("lamb_moments", mean, variance, weight_sums, direction_sums);
    kernels_.lamb_trust(lamb, {0, 2}, nullptr);
    add("lamb_trust", trust);
    kernels_.lamb_apply(lamb, {0, 3}, nullptr);
    add("lamb_apply", weights);
    std::vector<double> norms(2);
    kernels_.squared_norm(weights.data(), count, norms.data(), {0, 2}, nullptr);
    add("squared_norm", norms);
  }

  void sums() {
    std::vector<T> mask(1'001);
    kernels_.dropout_mask(mask.data(), RandomStream{.seed = 3}, dropout_threshold(0.5), T(2), {5, 1'006}, nullptr);
    add("dropout_mask", mask);
    const auto wide = draw<T>(kRows * kChannels);
    std::vector<A> narrow(kRows * kChannels);
    kernels_.round_elements({.from = wide.data(), .values = narrow.data()}, {0, kRows * kChannels}, nullptr);
    add("round_elements", narrow);
    auto rows = draw<T>(kRows * kChannels), columns = draw<T>(kChannels);
    kernels_.widen_rows({.columns = kChannels, .values = narrow.data(), .stride = kChannels, .sums = rows.data(), .add = true}, {0, kRows}, nullptr);
    add("widen_rows", rows);
    kernels_.column_sums({.rows = kRows, .columns = kChannels, .stride = kChannels, .values = narrow.data(), .sums = columns.data()},
                         {0, kChannels}, nullptr);
    add("column_sums", columns);
    const std::vector<std::int64_t> places{0, 2, 1};
    std::vector<A> level_sums(3 * kChannels);
    kernels_.level_sums({.count = 3, .places = places.data(), .distance = 3 * kChannels, .values = narrow.data(), .sums = level_sums.data()},
                        {0, 3 * kChannels}, nullptr);
    add("level_sums", level_sums);
    if constexpr (std::is_same_v<A, float>) {
      std::vector<BFloat16> parts(kRows * 3 * kChannels);
      kernels_.split_rows({.factor = SplitRows::Factor::first, .columns = kChannels, .from = wide.data(), .stride = kChannels, .parts = parts.data()},
                          {0, kRows}, nullptr);
      add("split_rows", parts);
    }
  }

  const KernelTable<A>& kernels_;
  std::map<std::string, Digest>& digests_;
  std::uint64_t drawn_ = 0;
};

// Of the n-th usable instruction set, for all three types of activations.
inline std::map<std::string, Digest> kernel_digests(std::size_t n) {
  std::map<std::string, Digest> digests;
  KernelDigests<float>(usable_cpu_kernels<float>()[n], digests).run();
  KernelDigests<double>(usable_cpu_kernels<double>()[n], digests).run();
  KernelDigests<BFloat16>(usable_cpu_kernels<BFloat16>()[n], digests).run();
  return digests;
}

}  // namespace trellis
