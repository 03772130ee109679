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

LanguageModelTask::LanguageModelTask(const Ranks& ranks, const MeshGroups& groups, const TrellisShape& shape, std::shared_ptr<const TokenReader> tokens,
                                     const WindowPlan& plan, const Options& options, at::TensorOptions tensor_options)
    : ranks_(ranks),
      shape_(shape),
      plan_(plan),
      options_(options),
      tensor_options_(tensor_options),
      text_tokens_(tokens->tokens()),
      model_(groups, shape, plan.lanes(), std::min(plan.steps(), plan.lane_length()),
             {.objective = options.objective, .keep = options.keep, .activations = options.activations, .chunks = options.chunks,
              .lane_groups = options.lane_groups},
             tensor_options),
      history_(model_.zero_history()),
      reader_(std::move(tokens), plan, model_.given_lanes(), 0, WindowReader::Options{.batches_ahead = options.batches_ahead}) {}

void LanguageModelTask::begin_pass(std::int64_t, std::int64_t window) { reader_.restart(window); }

StepLoss LanguageModelTask::forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) {
  const WindowBatch* const batch = reader_.next();
  require(batch != nullptr, "a pass ends where its last window was used");
  // a pass begins without history, and so does every window where history is discarded
  if (batch->index == 0 || plan_.overlapping()) {
    history_.hidden.zero_();
    history_.cell.zero_();
  }
  draw_masks(masks_, options_.dropout, shape_, options_.seed, static_cast<std::uint64_t>(step), model_.lanes(), tensor_options_,
             model_.given_lanes());
  LossSums sums = model_.forward_backward(weights, as_tensors(*batch), masks_, history_, gradients);

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

std::vector<LaneState> LanguageModelTask::lane_states() { return {{"history.hidden", history_.hidden}, {"history.cell", history_.cell}}; }

std::string LanguageModelTask::description() const {
  const Window first = plan_.window(0);
  return fmt::format("{} training tokens, {} a step", text_tokens_, plan_.lanes() * (first.steps - first.discard));
}

}  // namespace trellis
