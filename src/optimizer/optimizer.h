// The update of all parameters at once, over their flat buffer: clipping by one global norm, then SGD or Adam with coupled
// L2 weight decay, in LibTorch's arithmetic, or LAMB (optimizer/lamb.h). Every process that holds the same weights and gradients
// makes the same update. Where a group of ranks holds the vocabulary together, each updates its own stripes of it, and norms
// are nevertheless of whole tensors.
//
// SGD may be averaged (Polyak and Juditsky 1992), from the start or from any step on: the averages of the weights are then
// what is evaluated. As LibTorch's ASGD with t0 = 0 and lambda = 0: the first averaged update begins the mean, which is
// taken over all updates from the second on.
#pragma once

#include <cstdint>
#include <optional>

#include "model/parameters.h"
#include "optimizer/lamb.h"
#include "optimizer/optimizer_rule.h"
#include "optimizer/vocabulary_group.h"

namespace trellis {

// The share of the newest weights in the averages at averaged update number `update`, counted from 1.
double averaging_share(std::int64_t update);

// L2 norm over all parameters of the model, each counted once; sums in double, in an order that no thread count changes. One
// float64 number where the gradients are. Collective over `group`, the one of the gradients' stripes: the same bits on each of
// its ranks.
at::Tensor global_norm(const Parameters& gradients, VocabularyGroup group = nullptr);

// What clipping multiplies the gradient by: min(1, clip / (norm + 1e-6)), 1 without clipping; NaN if the norm is not finite. Both
// are one float64 number on the same device.
at::Tensor clipping_factor(const at::Tensor& norm, double clip);

class Optimizer {
 public:
  // group: of the layout's stripes; it must outlive this.
  Optimizer(const OptimizerRule& rule, const ParameterLayout& layout, at::TensorOptions options, VocabularyGroup group = nullptr);

  // Adam's and LAMB's running means, for checkpoints; null for SGD.
  Parameters* mean() { return mean_ ? &*mean_ : nullptr; }
  Parameters* variance() { return variance_ ? &*variance_ : nullptr; }

  // Updates are averaged from the next one on, `done` of which lie behind (more than 0 when a run is resumed, which then
  // fills average()). SGD only.
  void begin_averaging(std::int64_t done = 0);
  bool averaging() const { return average_.has_value(); }
  std::int64_t averaged_updates() const { return averaged_updates_; }
  // Null unless averaging; without meaning before the first averaged update.
  Parameters* average() { return average_ ? &*average_ : nullptr; }
  // What is evaluated: the averages as soon as there are any, `weights` otherwise.
  const Parameters& evaluated(const Parameters& weights) const { return averaged_updates_ > 0 ? *average_ : weights; }

  // Null unless the rule is LAMB's.
  const Lamb* lamb() const { return lamb_ ? &*lamb_ : nullptr; }

  // One update at this learning rate with gradients scaled by `gradient_scale`, one float64 number on their device; if it is NaN,
  // weights and moments stay as they are. step counts from 1. Collective over the group under LAMB.
  void update(Parameters& weights, const Parameters& gradients, const at::Tensor& gradient_scale, double learning_rate, std::int64_t step);

 private:
  OptimizerRule rule_;
  ParameterLayout layout_;
  at::TensorOptions options_;
  std::optional<Parameters> mean_, variance_, average_;
  std::optional<Lamb> lamb_;
  std::int64_t averaged_updates_ = 0;
};

}  // namespace trellis
