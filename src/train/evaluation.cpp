#include "train/evaluation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "mpi/agreement.h"
#include "train/language_model_task.h"

namespace trellis {

LanguageModelEvaluator::LanguageModelEvaluator(const Ranks& ranks, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan,
                                               const TrellisShape& shape, at::TensorOptions options)
    : ranks_(ranks),
      plan_(plan),
      lanes_(shard_range(plan.lanes(), ranks.size(), ranks.rank())),
      tokens_(std::move(tokens)),
      continuous_(plan.overlapping() && plan.discard() >= shape.reach()),
      stream_(shape, lanes_.size(), std::min(plan.steps(), plan.lane_length()), options) {}

void LanguageModelEvaluator::run_window(const WindowBatch& batch, double& nats, std::int64_t& count,
                                        std::vector<std::vector<ScoredToken>>* by_lane) {
  const WindowTokens window = as_tensors(batch);
  const std::int64_t lanes = lanes_.size(), skipped = batch.discard * lanes;
  if (continuous_ && batch.index > 0) {
    stream_.advance(window.tokens.narrow(0, skipped, window.steps * lanes - skipped));
  } else {
    stream_.begin_window(batch.index == 0 || plan_.overlapping() ? stream_.zero_history() : stream_.history());
    stream_.advance(window.tokens);
  }
  const at::Tensor losses = stream_.negative_log_probabilities(window.targets.narrow(0, skipped, window.steps * lanes - skipped)).cpu();
  const double* const loss = losses.const_data_ptr<double>();
  const std::int64_t start = plan_.window(batch.index).start;
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    const std::int64_t overlap = plan_.overlap(lanes_.begin + lane), first = plan_.lane(lanes_.begin + lane).begin;
    for (std::int64_t step = std::max(batch.discard, overlap - start); step < window.steps; ++step) {
      const double nats_here = loss[step * lanes - skipped + lane];
      nats += nats_here;
      ++count;
      if (by_lane) (*by_lane)[static_cast<std::size_t>(lane)].push_back({first + start + step + 1, -nats_here});
    }
  }
}

EvaluationResult LanguageModelEvaluator::run(const Parameters& weights, std::vector<ScoredToken>* scored) {
  std::array<double, 2> sums{};  // nats, tokens
  agree(ranks_.world, [&] {
    if (lanes_.empty()) return;
    stream_.use(weights);
    WindowReader reader(tokens_, plan_, lanes_);
    std::int64_t count = 0;
    std::vector<std::vector<ScoredToken>> by_lane(static_cast<std::size_t>(lanes_.size()));
    while (const WindowBatch* const batch = reader.next()) run_window(*batch, sums[0], count, scored ? &by_lane : nullptr);
    sums[1] = static_cast<double>(count);
    for (const auto& lane : by_lane) {
      if (scored) scored->insert(scored->end(), lane.begin(), lane.end());
    }
  });
  ranks_.world.all_reduce(sums, Reduction::sum);
  return {.loss_nats = sums[0] / sums[1], .scored = static_cast<std::int64_t>(sums[1]), .accuracy = std::nullopt};
}

EvaluationResult LanguageModelEvaluator::run(const Parameters& weights) { return run(weights, nullptr); }

EvaluationResult LanguageModelEvaluator::run(const Parameters& weights, std::vector<ScoredToken>& scored) { return run(weights, &scored); }

}  // namespace trellis
