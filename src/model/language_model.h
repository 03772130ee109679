// The language model on one process's lanes of a window: embedding, trellis levels, tied softmax, auxiliary losses; forward
// and backward without autograd, over buffers allocated once.
#pragma once

#include <ATen/ATen.h>

#include "model/dropout.h"
#include "model/effective_kernels.h"
#include "model/level_stack.h"
#include "model/parameters.h"
#include "model/tied_softmax.h"

namespace trellis {

// One window of this process's lanes. tokens, targets: [steps * lanes] int64 on the CPU, time-major.
struct WindowTokens {
  std::int64_t steps = 0;
  std::int64_t discard = 0;  // leading steps that carry no loss
  at::Tensor tokens, targets;
};

// Sums over the scored tokens of this process's lanes, in nats.
struct LossSums {
  double loss = 0;       // final output
  double auxiliary = 0;  // all auxiliary outputs, unweighted
  std::int64_t tokens = 0;
};

class LanguageModel {
 public:
  // lanes: of this process, may be 0. max_steps: the longest window. keep: Keep::nothing for evaluation only.
  LanguageModel(const TrellisShape& shape, double auxiliary_weight, std::int64_t lanes, std::int64_t max_steps, Keep keep,
                at::TensorOptions options);

  // All zero, [lanes, H].
  History zero_history() const;

  // One window: loss, and the gradient of
  //   (sum of -log p + auxiliary_weight * the same of the auxiliary outputs) / total_tokens
  // where total_tokens counts the scored tokens of all processes, so that gradients of processes add up to the mean's.
  // Overwrites `gradients`, which then hold the effective kernels' gradient (see Parameters): sum them over processes,
  // then call finish_gradients. `history` is replaced by what this window leaves.
  LossSums forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, double total_tokens,
                            History& history, Parameters& gradients);

  // Gradient of the effective kernels to that of the raw parameters, in place.
  static void finish_gradients(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients);

  // Loss of the final output without any dropout; `history` is replaced by what this window leaves.
  LossSums evaluate(const Parameters& weights, const WindowTokens& window, History& history);

 private:
  void forward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, const History& history);
  at::Tensor loss(const Parameters& weights, const WindowTokens& window, double total_tokens, Parameters* gradients);
  void take_history(History& history, std::int64_t steps);

  TrellisShape shape_;
  double auxiliary_weight_;
  std::int64_t lanes_;
  at::TensorOptions options_;
  EffectiveKernels kernels_;
  LevelStack stack_;
  TiedSoftmax softmax_;
};

}  // namespace trellis
