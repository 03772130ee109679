// LAMB (You et al. 2020, arXiv:1904.00962): Adam's direction with decoupled weight decay, its length set anew for every
// tensor: weights -= rate * ||weights|| / ||direction|| * direction, so that a step changes every tensor by the same share
// of its length. Bias-corrected, clipped by the global norm beforehand, norms not clamped, as NVIDIA's NVLAMB does; the
// trust ratio ||weights|| / ||direction|| is 1 where either norm is zero.
//
// Every tensor of ParameterLayout has its own trust ratio, as a whole, whatever rows and blocks it has and whichever ranks
// hold stripes of it:
//   embedding, decoders' and classifier's matrices, kernels without weight normalisation    weight decay
//   W1_g, W2_g   weight decay. They are the lengths of the kernels' rows, so both act as they would on the kernels
//   W1_v, W2_v   no weight decay: no function depends on v's length. The trust ratio makes the step independent of it as
//                well: it turns v by an angle of about `rate`, however far earlier steps, which are nearly orthogonal to v,
//                have lengthened it (under Adam that lengthening slows learning down). Decay would regularise nothing and
//                only take its share of the direction
//   biases       no weight decay, as usual. Their trust ratio bounds them: at a rate that suits kernels, 0.03 of their
//                length, Adam's own step of 0.03 a bias would be 15 times what Adam takes. One that is zero (decoder_bias at
//                the start) begins with a ratio of 1 and grows from there by a factor each step
#pragma once

#include <vector>

#include "kernels/optimizer_update.h"
#include "model/parameters.h"
#include "optimizer/optimizer_rule.h"
#include "optimizer/vocabulary_group.h"

namespace trellis {

class Lamb {
 public:
  // group: of the layout's stripes; it must outlive this.
  Lamb(const ParameterLayout& layout, at::TensorOptions options, VocabularyGroup group = nullptr);

  // One update, as Optimizer::update; mean and variance are Adam's. Sums are taken over blocks of a fixed size, so that no
  // thread count changes a bit. Collective over the group.
  void update(const OptimizerRule& rule, Parameters& weights, const Parameters& gradients, Parameters& mean, Parameters& variance,
              const at::Tensor& gradient_scale, double learning_rate, std::int64_t step);

  // The trust ratios of the last update, one a tensor in the layout's order; 1 before the first.
  std::vector<double> trust_ratios() const;

 private:
  // Between the first two kernels: the sums of a striped tensor's blocks become those of the whole tensor.
  void add_stripes();

  VocabularyGroup group_;
  std::int64_t block_count_ = 0, tensor_count_ = 0;
  std::vector<LambTensor> striped_;                   // on the host; where there is a group
  at::Tensor blocks_, tensors_;                       // bytes: LambBlock and LambTensor, on the device
  at::Tensor weight_sums_, direction_sums_, trust_;  // float64
};

}  // namespace trellis
