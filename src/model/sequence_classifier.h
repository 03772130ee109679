// The classifier of whole sequences on one process's share of a batch: trellis levels over the input, the last step's last O
// channels through a linear layer [O, O], log softmax over O classes (Bai, Kolter and Koltun 2019, section 5; sequential
// MNIST and CIFAR-10). History is zero. Forward and backward without autograd, over buffers allocated once.
//
// Dropout masks: `input` [steps * lanes, E], value by value; `hidden` [lanes, H]; outputs[0] [lanes, O], on the logits; the
// kernels'.
#pragma once

#include <ATen/ATen.h>

#include "model/dropout.h"
#include "model/effective_kernels.h"
#include "model/last_step_stack.h"
#include "model/parameters.h"

namespace trellis {

// input: [steps * lanes, E] time-major, normalised; labels: [lanes] int64 on the CPU, each in [0, O).
struct LabelledSequences {
  std::int64_t lanes = 0;
  at::Tensor input, labels;
};

// Sums over some sequences; sums of several processes add up. Computed as a tensor of kCount float64 numbers in this order, so that
// nobody has to wait for them.
struct ClassificationSums {
  static constexpr std::int64_t kCount = 2;
  double loss = 0;     // -log p(label), nats
  double correct = 0;  // sequences whose most probable class is their label

  static ClassificationSums from(const double* numbers) { return {numbers[0], numbers[1]}; }
  // Waits for the device.
  static ClassificationSums read(const at::Tensor& numbers) { return from(numbers.cpu().const_data_ptr<double>()); }
};

class SequenceClassifier {
 public:
  // steps: of every sequence; max_lanes: of this process, may be 0.
  SequenceClassifier(const TrellisShape& shape, std::int64_t steps, std::int64_t max_lanes, Keep keep, at::TensorOptions options,
                     std::optional<at::ScalarType> activations = std::nullopt);

  // Gradient of the mean of -log p(label) over `all_sequences`, those of all processes, so that gradients of processes add
  // up to the mean's. Overwrites `gradients`, which then hold the effective kernels' gradient (see Parameters): sum them
  // over processes, then call finish_gradients. Returns ClassificationSums of this process's sequences.
  at::Tensor forward_backward(const Parameters& weights, const LabelledSequences& batch, const DropoutMasks& masks,
                              std::int64_t all_sequences, Parameters& gradients);
  static void finish_gradients(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients);

  // Without dropout. Returns ClassificationSums.
  at::Tensor evaluate(const Parameters& weights, const LabelledSequences& batch);

  // log p of every class for the last batch, [lanes, O].
  const at::Tensor& log_probabilities() const { return log_probabilities_; }

 private:
  at::Tensor forward(const Parameters& weights, const LabelledSequences& batch, const DropoutMasks& masks);
  at::Tensor no_sums() const;

  TrellisShape shape_;
  std::int64_t steps_;
  at::TensorOptions options_;
  EffectiveKernels kernels_;
  LastStepStack stack_;
  at::Tensor log_probabilities_;
  at::Tensor labels_;  // of the batch, where the network computes
};

}  // namespace trellis
