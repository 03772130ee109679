#include "train/evaluation.h"

#include <array>
#include <utility>

#include "mpi/agreement.h"

namespace trellis {

WindowTokens as_tensors(const WindowBatch& batch) {
  const auto tensor = [](const std::vector<std::int64_t>& values) {
    return at::from_blob(const_cast<std::int64_t*>(values.data()), {static_cast<std::int64_t>(values.size())}, at::kLong);
  };
  return {.steps = batch.steps, .discard = batch.discard, .tokens = tensor(batch.tokens), .targets = tensor(batch.targets)};
}

Evaluator::Evaluator(const Ranks& ranks, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan, const TrellisShape& shape,
                     at::TensorOptions options)
    : ranks_(ranks),
      plan_(plan),
      lanes_(shard_range(plan.lanes(), ranks.size(), ranks.rank())),
      tokens_(std::move(tokens)),
      model_(shape, 0, lanes_.size(), std::min(plan.steps(), plan.lane_length()), Keep::nothing, options) {}

EvaluationResult Evaluator::run(const Parameters& weights) {
  std::array<double, 2> sums{};  // nats, tokens
  agree(ranks_.world, [&] {
    if (lanes_.empty()) return;
    History history = model_.zero_history();
    WindowReader reader(tokens_, plan_, lanes_);
    std::int64_t scored = 0;
    while (const WindowBatch* const batch = reader.next()) {
      if (plan_.overlapping()) history = model_.zero_history();
      const LossSums loss = model_.evaluate(weights, as_tensors(*batch), history);
      sums[0] += loss.loss;
      scored += loss.tokens;
    }
    sums[1] = static_cast<double>(scored);
  });
  ranks_.world.all_reduce(sums, Reduction::sum);
  return {.loss_nats_per_token = sums[0] / sums[1], .tokens = static_cast<std::int64_t>(sums[1])};
}

}  // namespace trellis
