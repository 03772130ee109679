#include "model/language_model.h"

#include "model/embedding.h"
#include "model/launch.h"

namespace trellis {

LanguageModel::LanguageModel(const TrellisShape& shape, double auxiliary_weight, std::int64_t lanes, std::int64_t max_steps,
                             Keep keep, at::TensorOptions options)
    : shape_(shape),
      auxiliary_weight_(auxiliary_weight),
      lanes_(lanes),
      options_(options),
      stack_(shape, {0, shape.levels}, lanes, max_steps, keep, options),
      softmax_(shape, lanes * max_steps, keep == Keep::nothing ? 1 : shape.output_count(), options) {
  shape.validate();
}

History LanguageModel::zero_history() const {
  return {at::zeros({lanes_, shape_.hidden}, options_), at::zeros({lanes_, shape_.hidden}, options_)};
}

void LanguageModel::forward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, const History& history) {
  expect_shape("tokens", window.tokens, {window.steps * lanes_});
  expect_shape("targets", window.targets, {window.steps * lanes_});
  require(window.tokens.is_contiguous() && window.targets.is_contiguous(), "tokens and targets lie one after another");
  require(0 <= window.discard && window.discard < window.steps, "a window has steps that carry loss");
  stack_.begin_window(window.steps, history, masks.hidden, masks.outputs);
  embed(weights.view("embedding"), window.tokens, masks, lanes_, stack_.embedded({0, window.steps}));
  stack_.forward({0, window.steps}, kernels_.compute(weights, masks));
}

at::Tensor LanguageModel::loss(const Parameters& weights, const WindowTokens& window, double total_tokens, Parameters* gradients) {
  const std::int64_t skipped = window.discard * lanes_, scored = (window.steps - window.discard) * lanes_;
  std::vector<LossRows> blocks;
  for (std::int64_t n = 0; n < (gradients ? shape_.output_count() : 1); ++n) {
    LossRows rows{.hidden = stack_.output(n).narrow(0, skipped, scored), .d_hidden = {}, .scale = 0};
    if (gradients) {
      stack_.d_output(n).narrow(0, 0, skipped).zero_();
      rows.d_hidden = stack_.d_output(n).narrow(0, skipped, scored);
      rows.scale = (n == 0 ? 1.0 : auxiliary_weight_) / total_tokens;
    }
    blocks.push_back(rows);
  }
  return softmax_.run(weights, blocks, window.targets.narrow(0, skipped, scored), gradients);
}

void LanguageModel::take_history(History& history, std::int64_t steps) {
  history.hidden.copy_(stack_.result_hidden({steps - 1, steps}));
  history.cell.copy_(stack_.result_cell({steps - 1, steps}));
}

LossSums LanguageModel::forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks,
                                         double total_tokens, History& history, Parameters& gradients) {
  const ConvolutionKernels kernel_gradients = EffectiveKernels::gradients_of(gradients);
  kernel_gradients.input.zero_();
  kernel_gradients.hidden.zero_();
  kernel_gradients.bias.zero_();
  if (lanes_ == 0) {
    gradients.flat().zero_();
    return {};
  }
  forward(weights, window, masks, history);
  const at::Tensor losses = loss(weights, window, total_tokens, &gradients);
  stack_.backward({0, window.steps}, kernels_.kernels(), kernel_gradients, {}, {});
  embed_backward(stack_.d_embedded(), window.tokens, masks, lanes_, gradients.view("embedding"));
  take_history(history, window.steps);
  const auto sums = losses.sum(1);
  const double final_loss = sums[0].item<double>();
  return {.loss = final_loss, .auxiliary = sums.sum().item<double>() - final_loss, .tokens = losses.size(1)};
}

void LanguageModel::finish_gradients(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients) {
  EffectiveKernels::backward(weights, masks, gradients);
}

LossSums LanguageModel::evaluate(const Parameters& weights, const WindowTokens& window, History& history) {
  if (lanes_ == 0) return {};
  forward(weights, window, {}, history);
  const at::Tensor losses = loss(weights, window, 1, nullptr);
  take_history(history, window.steps);
  return {.loss = losses.sum().item<double>(), .auxiliary = 0, .tokens = losses.size(1)};
}

}  // namespace trellis
