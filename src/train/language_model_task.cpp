#include "train/language_model_task.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "comm/rank_sums.h"

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
      groups_(groups),
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

void LanguageModelTask::begin_pass(std::int64_t, std::int64_t window) { reader_.restart(window * options_.accumulate); }

ScoredSteps LanguageModelTask::scored_in_step(std::int64_t first_window) const {
  ScoredSteps scored{.steps = 0, .lanes = plan_.lanes(), .outputs = shape_.outputs, .windows = 0};
  for (std::int64_t n = first_window; n < std::min(first_window + options_.accumulate, plan_.windows()); ++n) {
    const Window window = plan_.window(n);
    scored.steps += window.steps - window.discard;
    ++scored.windows;
  }
  return scored;
}

at::Tensor LanguageModelTask::run_window(const Parameters& weights, const WindowBatch& batch, std::int64_t step, const LanguageModel::Part& part,
                                         Parameters& gradients) {
  // a pass begins without history, and so does every window where history is discarded
  if (batch.index == 0 || plan_.overlapping()) {
    history_.hidden.zero_();
    history_.cell.zero_();
  }
  const std::int64_t first = step * options_.accumulate, window = first + batch.index % options_.accumulate;
  draw_masks(masks_, options_.dropout, shape_, options_.seed, static_cast<std::uint64_t>(window), model_.lanes(), tensor_options_,
             model_.given_lanes());
  // the windows of a step have the same kernels
  masks_.input_kernel.stream.window = masks_.hidden_kernel.stream.window = static_cast<std::uint64_t>(first);
  return model_.forward_backward(weights, as_tensors(batch), masks_, history_, gradients, part);
}

StepSums LanguageModelTask::forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) {
  at::Tensor sums;
  ScoredSteps scored;
  for (std::int64_t n = 0; n == 0 || n < scored.windows; ++n) {
    const WindowBatch* const batch = reader_.next();
    require(batch != nullptr, "a pass ends where its last window was used");
    if (n == 0) scored = scored_in_step(batch->index);
    const at::Tensor of_window = run_window(weights, *batch, step, {scored, n == 0, n + 1 == scored.windows}, gradients);
    sums = n == 0 ? of_window : sums.add_(of_window);
  }
  return {sum_over_ranks(&groups_.world, sums), scored.steps * scored.lanes, [scored, objective = options_.objective](const double* numbers) {
            const LossSums all = LossSums::from(numbers);
            return StepLoss{.loss_nats = all.loss / scored.tokens(),
                            .auxiliary_loss_nats = all.auxiliary / scored.tokens(),
                            .objective = total(objective, all, scored),
                            .accuracy = std::nullopt,
                            .scored = scored.steps * scored.lanes};
          }};
}

std::vector<LaneState> LanguageModelTask::lane_states() { return {{"history.hidden", history_.hidden}, {"history.cell", history_.cell}}; }

std::string LanguageModelTask::description() const {
  return fmt::format("{} training tokens, {} a step", text_tokens_, plan_.lanes() * scored_in_step(0).steps);
}

}  // namespace trellis
