#include "model/language_model.h"

#include "base/time_span.h"
#include "model/embedding.h"
#include "model/launch.h"

namespace trellis {

LanguageModel::LanguageModel(const TrellisShape& shape, const Objective& objective, std::int64_t lanes, std::int64_t max_steps,
                             Keep keep, at::TensorOptions options, std::optional<at::ScalarType> activations)
    : shape_(shape),
      objective_(objective),
      lanes_(lanes),
      options_(options),
      kernels_(activations),
      stack_(shape, {0, shape.levels}, lanes, max_steps, keep, options, activations),
      output_layer_(make_output_layer(shape, lanes * max_steps, shape.output_count(), options)) {
  shape.validate();
  if (objective.slowness > 0) {
    stack_.use_raw_output_gradient();
    change_ = at::empty({lanes * max_steps, shape.outputs}, options);
  }
}

History LanguageModel::zero_history() const {
  return {at::zeros({lanes_, shape_.hidden}, options_), at::zeros({lanes_, shape_.hidden}, options_)};
}

void expect_window(const WindowTokens& window, std::int64_t lanes) {
  expect_shape("tokens", window.tokens, {window.steps * lanes});
  expect_shape("targets", window.targets, {window.steps * lanes});
  require(window.tokens.is_contiguous() && window.targets.is_contiguous(), "tokens and targets lie one after another");
  require(0 <= window.discard && window.discard < window.steps, "a window has steps that carry loss");
}

void LanguageModel::forward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, const History& history) {
  stack_.begin_window(window.steps, history, masks.hidden, masks.outputs);
  embed(weights.view("embedding"), window.tokens, masks, lanes_, stack_.embedded({0, window.steps}));
  stack_.forward({0, window.steps}, kernels_.compute(weights, masks));
}

LossSums LanguageModel::loss(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, const ScoredSteps& scored,
                             Parameters& gradients) {
  const TimeSpan timed("loss");
  const std::int64_t skipped = window.discard * lanes_, rows = scored.steps * lanes_;
  std::vector<LossRows> blocks;
  for (std::int64_t n = 0; n < shape_.output_count(); ++n) {
    stack_.d_output(n).narrow(0, 0, skipped).zero_();
    blocks.push_back({.hidden = stack_.output(n).narrow(0, skipped, rows),
                      .d_hidden = stack_.d_output(n).narrow(0, skipped, rows),
                      .scale = (n == 0 ? 1.0 : objective_.auxiliary_weight) / scored.tokens(),
                      .latent_mask = DropoutMasks::of(masks.latents, n)});
  }
  const at::Tensor losses = output_layer_->run(weights, blocks, window.targets.narrow(0, skipped, rows), &gradients).sum(1);
  LossSums sums;
  sums.loss = losses[0].item<double>();
  sums.auxiliary = losses.sum().item<double>() - sums.loss;
  penalties(window, scored, sums);
  return sums;
}

void LanguageModel::penalties(const WindowTokens& window, const ScoredSteps& scored, LossSums& sums) {
  const std::int64_t skipped = window.discard * lanes_, rows = scored.steps * lanes_;
  if (objective_.activation > 0) {
    const at::Tensor output = stack_.output(0).narrow(0, skipped, rows);
    sums.activation = sum_of_squares(output);
    stack_.d_output(0).narrow(0, skipped, rows).add_(output, 2 * objective_.activation / scored.activations());
  }
  if (objective_.slowness == 0) return;
  const at::Tensor d_raw = stack_.d_raw_output();
  d_raw.zero_();
  if (scored.steps == 1) return;
  const at::Tensor raw = stack_.result_hidden({window.discard, window.steps}).narrow(1, shape_.hidden - shape_.outputs, shape_.outputs);
  const at::Tensor change = change_.narrow(0, 0, rows - lanes_);  // from each step to the next
  change.copy_(raw.narrow(0, lanes_, rows - lanes_));
  change.sub_(raw.narrow(0, 0, rows - lanes_));
  sums.slowness = sum_of_squares(change);
  change.mul_(2 * objective_.slowness / scored.changes());
  d_raw.narrow(0, skipped + lanes_, rows - lanes_).add_(change);
  d_raw.narrow(0, skipped, rows - lanes_).sub_(change);
}

LossSums LanguageModel::forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks,
                                         std::int64_t all_lanes, History& history, Parameters& gradients) {
  expect_window(window, lanes_);
  const ConvolutionKernels kernel_gradients = EffectiveKernels::gradients_of(gradients);
  kernel_gradients.input.zero_();
  kernel_gradients.hidden.zero_();
  kernel_gradients.bias.zero_();
  if (lanes_ == 0) {
    gradients.flat().zero_();
    return {};
  }
  forward(weights, window, masks, history);
  const LossSums sums = loss(weights, window, masks, {window.steps - window.discard, all_lanes, shape_.outputs}, gradients);
  stack_.backward({0, window.steps}, kernels_.kernels(), kernel_gradients, {}, {});
  embed_backward(stack_.d_embedded(), window.tokens, masks, lanes_, gradients.view("embedding"));
  history.hidden.copy_(stack_.result_hidden({window.steps - 1, window.steps}));
  history.cell.copy_(stack_.result_cell({window.steps - 1, window.steps}));
  return sums;
}

void LanguageModel::finish_gradients(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients) {
  EffectiveKernels::backward(weights, masks, gradients);
}

}  // namespace trellis
