#include "train/language_model_task.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/errors.h"

namespace trellis {

WindowTokens as_tensors(const WindowBatch& batch) {
  const auto tensor = [](const std::vector<std::int64_t>& values) {
    return at::from_blob(const_cast<std::int64_t*>(values.data()), {static_cast<std::int64_t>(values.size())}, at::kLong);
  };
  return {.steps = batch.steps, .discard = batch.discard, .tokens = tensor(batch.tokens), .targets = tensor(batch.targets)};
}

LanguageModelTask::LanguageModelTask(const Ranks& ranks, const TrellisShape& shape, std::shared_ptr<const TokenReader> tokens,
                                     const WindowPlan& plan, const Options& options, at::TensorOptions tensor_options)
    : ranks_(ranks),
      shape_(shape),
      plan_(plan),
      lanes_(shard_range(plan.lanes(), ranks.size(), ranks.rank())),
      options_(options),
      tensor_options_(tensor_options),
      text_tokens_(tokens->tokens()),
      model_(shape, options.objective, lanes_.size(), std::min(plan.steps(), plan.lane_length()), options.keep, tensor_options,
             options.activations),
      history_(model_.zero_history()),
      reader_(std::move(tokens), plan, lanes_, 0, WindowReader::Options{.batches_ahead = options.batches_ahead}) {}

void LanguageModelTask::begin_pass(std::int64_t, std::int64_t window) { reader_.restart(window); }

StepLoss LanguageModelTask::forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) {
  const WindowBatch* const batch = reader_.next();
  require(batch != nullptr, "a pass ends where its last window was used");
  // a pass begins without history, and so does every window where history is discarded
  if (batch->index == 0 || plan_.overlapping()) {
    history_.hidden.zero_();
    history_.cell.zero_();
  }
  draw_masks(masks_, options_.dropout, shape_, options_.seed, static_cast<std::uint64_t>(step), lanes_, tensor_options_);
  LossSums sums = model_.forward_backward(weights, as_tensors(*batch), masks_, plan_.lanes(), history_, gradients);

  std::array<double, 4> values{};
  const auto all = sums.all();
  for (std::size_t n = 0; n < all.size(); ++n) values[n] = *all[n];
  ranks_.world.all_reduce(values, Reduction::sum);
  for (std::size_t n = 0; n < all.size(); ++n) *all[n] = values[n];

  const ScoredSteps scored{batch->steps - batch->discard, plan_.lanes(), shape_.outputs};
  return {.loss_nats = sums.loss / scored.tokens(),
          .auxiliary_loss_nats = sums.auxiliary / scored.tokens(),
          .objective = total(options_.objective, sums, scored),
          .accuracy = std::nullopt,
          .scored = scored.steps * scored.lanes};
}

void LanguageModelTask::finish_gradients(const Parameters& weights, Parameters& gradients) {
  LanguageModel::finish_gradients(weights, masks_, gradients);
}

std::vector<LaneState> LanguageModelTask::lane_states() { return {{"history.hidden", history_.hidden}, {"history.cell", history_.cell}}; }

std::string LanguageModelTask::description() const {
  const Window first = plan_.window(0);
  return fmt::format("{} training tokens, {} a step", text_tokens_, plan_.lanes() * (first.steps - first.discard));
}

}  // namespace trellis
