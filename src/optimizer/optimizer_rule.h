// What kind of update the optimizer makes, and its constants.
#pragma once

namespace trellis {

struct OptimizerRule {
  enum class Kind { sgd, adam, lamb };
  Kind kind = Kind::adam;
  double weight_decay = 0;
  double clip = 0;  // largest global norm; 0: no clipping
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
};

}  // namespace trellis
