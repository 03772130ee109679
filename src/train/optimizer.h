// The update of all parameters at once, over their flat buffer: clipping by one global norm, then SGD or Adam with coupled
// L2 weight decay, in LibTorch's arithmetic. Every process that holds the same weights and gradients makes the same update.
#pragma once

#include <cstdint>
#include <optional>

#include "model/parameters.h"

namespace trellis {

struct OptimizerRule {
  enum class Kind { sgd, adam };
  Kind kind = Kind::adam;
  double weight_decay = 0;
  double clip = 0;  // largest global norm; 0: no clipping
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

// L2 norm over all parameters, each counted once; sums in double, in an order that no thread count changes.
double global_norm(const Parameters& gradients);

// What clipping multiplies the gradient by: min(1, clip / (norm + 1e-6)), 1 without clipping.
double clipping_factor(double norm, double clip);

class Optimizer {
 public:
  Optimizer(const OptimizerRule& rule, const ParameterLayout& layout, at::TensorOptions options);

  // Adam's running means, for checkpoints; null for SGD.
  Parameters* mean() { return mean_ ? &*mean_ : nullptr; }
  Parameters* variance() { return variance_ ? &*variance_ : nullptr; }

  // One update at this learning rate with gradients scaled by `gradient_scale`; step counts from 1.
  void update(Parameters& weights, const Parameters& gradients, double gradient_scale, double learning_rate, std::int64_t step);

 private:
  OptimizerRule rule_;
  std::optional<Parameters> mean_, variance_;
};

}  // namespace trellis
