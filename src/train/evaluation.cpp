#include "train/evaluation.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "mpi/agreement.h"
#include "parallel/vocabulary_stream.h"
#include "train/language_model_task.h"

namespace trellis {
namespace {

// [steps * lanes] to [steps * more lanes]: what fills up is never counted.
at::Tensor with_lanes(const at::Tensor& values, std::int64_t steps, std::int64_t lanes, std::int64_t more) {
  if (lanes == more) return values;
  const at::Tensor filled = at::zeros({steps, more}, at::kLong);
  filled.narrow(1, 0, lanes).copy_(values.view({steps, lanes}));
  return filled.view(-1);
}

}  // namespace


LanguageModelEvaluator::LanguageModelEvaluator(const Ranks& ranks, const MeshGroups& groups, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan,
                                               const TrellisShape& shape, at::TensorOptions options)
    : ranks_(ranks),
      plan_(plan),
      lanes_(shard_range(plan.lanes(), ranks.size(), ranks.rank())),
      tokens_(std::move(tokens)),
      continuous_(plan.overlapping() && plan.discard() >= shape.reach()),
      stream_lanes_(groups.mesh.vocabulary == 1 ? lanes_.size() : shard_range(plan.lanes(), ranks.size(), 0).size()) {
  const std::int64_t steps = std::min(plan.steps(), plan.lane_length());
  if (groups.mesh.vocabulary == 1) {
    stream_ = std::make_unique<LanguageStream>(shape, stream_lanes_, steps, options);
  } else {
    stream_ = std::make_unique<VocabularyStream>(groups, shape, stream_lanes_, steps, options);
  }
}

void LanguageModelEvaluator::run_window(const WindowBatch& batch, double& nats, std::int64_t& count,
                                        std::vector<std::vector<ScoredToken>>* by_lane) {
  WindowTokens window = as_tensors(batch);
  window.tokens = with_lanes(window.tokens, batch.steps, lanes_.size(), stream_lanes_);
  window.targets = with_lanes(window.targets, batch.steps, lanes_.size(), stream_lanes_);
  const std::int64_t lanes = stream_lanes_, skipped = batch.discard * lanes;
  if (continuous_ && batch.index > 0) {
    stream_->advance(window.tokens.narrow(0, skipped, window.steps * lanes - skipped));
  } else {
    stream_->begin_window(batch.index == 0 || plan_.overlapping() ? stream_->zero_history() : stream_->history());
    stream_->advance(window.tokens);
  }
  const at::Tensor losses = stream_->negative_log_probabilities(window.targets.narrow(0, skipped, window.steps * lanes - skipped)).cpu();
  const double* const loss = losses.const_data_ptr<double>();
  const Window shape = plan_.window(batch.index);
  const std::int64_t start = shape.start;
  for (std::int64_t lane = 0; lane < lanes_.size(); ++lane) {
    const std::int64_t index = lanes_.begin + lane, overlap = plan_.overlap(index), first = plan_.lane(index).begin;
    const std::int64_t own = plan_.steps_of_lane(index, shape);
    for (std::int64_t step = std::max(batch.discard, overlap - start); step < own; ++step) {
      const double nats_here = loss[step * lanes - skipped + lane];
      nats += nats_here;
      ++count;
      if (by_lane) (*by_lane)[static_cast<std::size_t>(lane)].push_back({first + start + step + 1, -nats_here});
    }
  }
}

EvaluationResult LanguageModelEvaluator::run(const Parameters& weights, const AtPause& at_pause, std::vector<ScoredToken>* scored) {
  const bool idle = stream_lanes_ == 0;
  std::optional<WindowReader> reader;
  agree(ranks_.world, [&] {
    if (idle) return;
    stream_->use(weights);
    reader.emplace(tokens_, plan_, lanes_);
  });
  double nats = 0;
  std::int64_t count = 0;
  std::vector<std::vector<ScoredToken>> by_lane(static_cast<std::size_t>(lanes_.size()));
  const std::int64_t all = plan_.scored_tokens();
  const auto window = [&](std::int64_t n) {
    if (!idle) run_window(*reader->next(), nats, count, scored ? &by_lane : nullptr);
    report_progress(n + 1, plan_.windows(), all);
  };
  work_in_step(ranks_.world, plan_.windows(), window, at_pause);
  agree(ranks_.world, [&] {
    for (const auto& lane : by_lane) {
      if (scored) scored->insert(scored->end(), lane.begin(), lane.end());
    }
  });
  std::array<double, 2> sums{nats, static_cast<double>(count)};
  ranks_.world.all_reduce(sums, Reduction::sum);
  return {.loss_nats = sums[0] / sums[1], .scored = static_cast<std::int64_t>(sums[1]), .accuracy = std::nullopt};
}

EvaluationResult LanguageModelEvaluator::run(const Parameters& weights, const AtPause& at_pause) { return run(weights, at_pause, nullptr); }

EvaluationResult LanguageModelEvaluator::run(const Parameters& weights, const AtPause& at_pause, std::vector<ScoredToken>& scored) {
  return run(weights, at_pause, &scored);
}

}  // namespace trellis
