#include "train/language_model_task.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "train/rank_sums.h"

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
             {.objective = options.objective, .keep = options.keep, .activations = options.activations, .chunks = std::max<std::int64_t>(1, options.chunks.count),
              .lane_groups = options.lane_groups},
             tensor_options),
      history_(model_.zero_history()),
      reader_(std::move(tokens), plan, model_.given_lanes(), 0, WindowReader::Options{.batches_ahead = options.batches_ahead}) {}

namespace {

// Windows of each trial; the first of them warms up.
constexpr std::size_t kTrialWindows = 3;
// Where times of units cannot be taken without stopping a GPU's queue.
constexpr std::int64_t kChunksPerStage = 4;

}  // namespace

void LanguageModelTask::use_chunk_choice(const ChunkChoice& choice) {
  if (!measures_chunks() || choice.stages != groups_.mesh.pipeline) return;
  chunk_choice_ = choice;
  model_.set_chunks(choice.chunks);
}

// Two trials, of few chunks and of many.
void LanguageModelTask::begin_chunk_trial() {
  const std::int64_t stages = groups_.mesh.pipeline, steps = std::min(plan_.steps(), plan_.lane_length());
  const std::int64_t few = std::min(steps, std::max<std::int64_t>(2, stages)), many = std::min(steps, 4 * few);
  if (many == few) {  // nothing to choose between
    chunk_choice_ = ChunkChoice{stages, few};
  } else if (!tensor_options_.device().is_cpu()) {
    chunk_choice_ = ChunkChoice{stages, std::min(steps, kChunksPerStage * stages)};
  }
  model_.set_chunks(chunk_choice_ ? chunk_choice_->chunks : chunk_trials_.size() < kTrialWindows ? few : many);
}

void LanguageModelTask::end_chunk_trial(std::int64_t steps) {
  if (chunk_choice_ || steps < plan_.steps()) return;  // a short window says nothing
  chunk_trials_.push_back({model_.chunks(), ranks_.world.all_reduce(model_.unit_seconds(), Reduction::max)});
  if (chunk_trials_.size() < 2 * kTrialWindows) return;
  const auto best_of = [&](std::size_t first) {  // the quickest: others had the machine as well
    const auto begin = chunk_trials_.begin() + static_cast<std::ptrdiff_t>(first);
    return *std::min_element(begin + 1, begin + kTrialWindows, [](const auto& a, const auto& b) { return a.seconds < b.seconds; });
  };
  const ChunkTrial few = best_of(0), many = best_of(kTrialWindows);
  chunk_choice_ = ChunkChoice{groups_.mesh.pipeline, chunks_by_trials(groups_.mesh.pipeline, few, many, steps)};
  model_.set_chunks(chunk_choice_->chunks);
  if (ranks_.rank() == 0) {
    log_info("a stage works {:.1f} ms on a window in {} chunks, {:.1f} ms in {}: {} chunks from now on", 1e3 * few.seconds, few.chunks,
             1e3 * many.seconds, many.chunks, chunk_choice_->chunks);
  }
}

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
  const bool trial = measures_chunks();
  if (trial) begin_chunk_trial();
  const at::Tensor sums = model_.forward_backward(weights, as_tensors(batch), masks_, history_, gradients, part);
  if (trial) end_chunk_trial(batch.steps);
  return sums;
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
