// The language model on one process's lanes of a window: embedding, trellis levels, output layer, auxiliary losses and
// penalties; forward and backward without autograd, over buffers allocated once. For use without gradient see
// language_stream.h.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>

#include "model/dropout.h"
#include "model/effective_kernels.h"
#include "model/level_stack.h"
#include "model/objective.h"
#include "model/output_layer.h"
#include "model/parameters.h"

namespace trellis {

// One window of this process's lanes. tokens, targets: [steps * lanes] int64 on the CPU, time-major.
struct WindowTokens {
  std::int64_t steps = 0;
  std::int64_t discard = 0;  // leading steps that carry no loss
  at::Tensor tokens, targets;
};

class LanguageModel {
 public:
  // lanes: of this process, may be 0. max_steps: the longest window. options: of weights, cells and loss; activations: the
  // type of what lies between (see LevelStack), undefined: the same.
  LanguageModel(const TrellisShape& shape, const Objective& objective, std::int64_t lanes, std::int64_t max_steps, Keep keep,
                at::TensorOptions options, std::optional<at::ScalarType> activations = std::nullopt);

  // All zero, [lanes, H].
  History zero_history() const;

  // One window: sums of the loss's terms, and the gradient of the objective, whose means are over the scored steps of
  // `all_lanes` lanes, those of all processes: gradients of processes add up to that of the whole.
  // Overwrites `gradients`, which then hold the effective kernels' gradient (see Parameters): sum them over processes,
  // then call finish_gradients. `history` is replaced by what this window leaves.
  LossSums forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, std::int64_t all_lanes,
                            History& history, Parameters& gradients);

  // Gradient of the effective kernels to that of the raw parameters, in place.
  static void finish_gradients(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients);

 private:
  void forward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, const History& history);
  LossSums loss(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, const ScoredSteps& scored,
                Parameters& gradients);
  // Adds the penalties' gradient to d_output(0) and d_raw_output; sums of squares into `sums`.
  void penalties(const WindowTokens& window, const ScoredSteps& scored, LossSums& sums);

  TrellisShape shape_;
  Objective objective_;
  std::int64_t lanes_;
  at::TensorOptions options_;
  EffectiveKernels kernels_;
  LevelStack stack_;
  std::unique_ptr<OutputLayer> output_layer_;
  at::Tensor change_;  // of the output from step to step, for the slowness penalty
};

// Throws InternalError unless the window's tensors fit this many lanes.
void expect_window(const WindowTokens& window, std::int64_t lanes);

}  // namespace trellis
