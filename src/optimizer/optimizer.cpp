#include "optimizer/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/time_span.h"
#include "comm/rank_sums.h"
#include "model/launch.h"
#include "plan/elementary.h"

namespace trellis {

at::Tensor global_norm(const Parameters& gradients, VocabularyGroup group) {
  const TimeSpan timed("gradient norm");
  const ParameterLayout& layout = gradients.layout();
  expect_group_of(layout, group);
  if (layout.whole()) return sum_of_squares(gradients.flat()).sqrt_();
  const std::int64_t words = layout.striped_size();
  const at::Tensor of_words = sum_over_ranks(group, sum_of_squares(gradients.flat().narrow(0, 0, words)));
  return (of_words + sum_of_squares(gradients.flat().narrow(0, words, layout.flat_size() - words))).sqrt_();
}

at::Tensor clipping_factor(const at::Tensor& norm, double clip) {
  const at::Tensor factor = clip > 0 ? at::full_like(norm, clip).div_(norm + 1e-6).clamp_max_(1) : at::ones_like(norm);
  return factor.add_(norm * 0);  // which is NaN unless the norm is finite
}

double averaging_share(std::int64_t update) { return 1.0 / static_cast<double>(std::max<std::int64_t>(1, update - 1)); }

Optimizer::Optimizer(const OptimizerRule& rule, const ParameterLayout& layout, at::TensorOptions options, VocabularyGroup group)
    : rule_(rule), layout_(layout), options_(options) {
  expect_group_of(layout, group);
  if (rule.kind == OptimizerRule::Kind::sgd) return;
  mean_.emplace(layout, options);
  variance_.emplace(layout, options);
  if (rule.kind == OptimizerRule::Kind::lamb) lamb_.emplace(layout, options, group);
}

void Optimizer::begin_averaging(std::int64_t done) {
  require(rule_.kind == OptimizerRule::Kind::sgd, "only SGD is averaged");
  average_.emplace(layout_, options_);
  averaged_updates_ = done;
}

void Optimizer::update(Parameters& weights, const Parameters& gradients, const at::Tensor& gradient_scale, double learning_rate,
                       std::int64_t step) {
  const TimeSpan timed("update");
  require(gradient_scale.device() == weights.flat().device(), "an update reads the gradient's scale where the weights are");
  if (lamb_) {
    lamb_->update(rule_, weights, gradients, *mean_, *variance_, gradient_scale, learning_rate, step);
    return;
  }
  const at::Tensor& flat = weights.flat();
  with_element_type(flat.scalar_type(), [&]<class T>() {
    const Range all{0, flat.numel()};
    if (rule_.kind == OptimizerRule::Kind::sgd) {
      const SgdUpdate<T> args{.weights = flat.mutable_data_ptr<T>(),
                              .gradient = gradients.flat().const_data_ptr<T>(),
                              .gradient_scale = gradient_scale.const_data_ptr<double>(),
                              .weight_decay = static_cast<T>(rule_.weight_decay),
                              .learning_rate = static_cast<T>(learning_rate)};
      launch(flat.device(), kernels_for<T>(flat.device()).sgd_update, args, all, kGrainElements);
      if (average_) average_->flat().lerp_(flat, averaging_share(++averaged_updates_));
      return;
    }
    const AdamUpdate<T> args{
        .weights = flat.mutable_data_ptr<T>(),
        .gradient = gradients.flat().const_data_ptr<T>(),
        .mean = mean_->flat().mutable_data_ptr<T>(),
        .variance = variance_->flat().mutable_data_ptr<T>(),
        .gradient_scale = gradient_scale.const_data_ptr<double>(),
        .weight_decay = static_cast<T>(rule_.weight_decay),
        .beta2 = static_cast<T>(rule_.beta2),
        .beta1_complement = static_cast<T>(1 - rule_.beta1),
        .beta2_complement = static_cast<T>(1 - rule_.beta2),
        .step_size = static_cast<T>(learning_rate / (1 - whole_power(rule_.beta1, step))),
        .variance_correction = static_cast<T>(std::sqrt(1 - whole_power(rule_.beta2, step))),
        .epsilon = static_cast<T>(rule_.epsilon)};
    launch(flat.device(), kernels_for<T>(flat.device()).adam_update, args, all, kGrainElements);
  });
}

}  // namespace trellis
