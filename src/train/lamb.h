// LAMB (You et al. 2020, arXiv:1904.00962): Adam's direction with decoupled weight decay, its length set anew for every
// tensor: weights -= rate * ||weights|| / ||direction|| * direction, so that a step changes every tensor by the same share
// of its length. Bias-corrected, clipped by the global norm beforehand, norms not clamped, as NVIDIA's NVLAMB does; the
// trust ratio ||weights|| / ||direction|| is 1 where either norm is zero.
//
// Which tensor is treated how (a tensor is one of ParameterLayout, whatever rows and blocks it has):
//   embedding, classifier's and mixture's matrices, kernels without weight normalisation    trust ratio, weight decay
//   W1_g, W2_g   trust ratio, weight decay: the lengths of the kernels' rows, so both act as they would on the kernels
//   W1_v, W2_v   trust ratio, no weight decay: the function does not depend on v's length. The trust ratio makes the step
//                independent of it as well: it turns v by an angle of about `rate`, however far the steps, which are nearly
//                orthogonal to v, have lengthened it (under Adam that lengthening slowly ends learning). Decay would regularise
//                nothing and only take its share of the direction
//   biases       neither (the ratio is 1): they begin near or at zero, where a step in proportion to their length could hardly
//                move them, and they have to reach whole nats (decoder_bias the words' frequencies) or gates that stay open
#pragma once

#include <vector>

#include "model/parameters.h"
#include "train/optimizer_rule.h"

namespace trellis {

class Lamb {
 public:
  Lamb(const ParameterLayout& layout, at::TensorOptions options);

  // One update, as Optimizer::update; mean and variance are Adam's. Sums are taken over blocks of a fixed size, so that no
  // thread count changes a bit.
  void update(const OptimizerRule& rule, Parameters& weights, const Parameters& gradients, Parameters& mean, Parameters& variance,
              double gradient_scale, double learning_rate, std::int64_t step);

  // The trust ratios of the last update, one a tensor in the layout's order; 1 before the first.
  std::vector<double> trust_ratios() const;

 private:
  std::int64_t block_count_, tensor_count_;
  at::Tensor blocks_, tensors_;                       // bytes: LambBlock and LambTensor, on the device
  at::Tensor weight_sums_, direction_sums_, trust_;  // float64
};

}  // namespace trellis
