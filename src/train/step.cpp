#include "train/step.h"

#include <fmt/core.h>

#include <array>
#include <cmath>

#include "mpi/agreement.h"

namespace trellis {

TrainingStep::TrainingStep(const Ranks& ranks, const TrellisShape& shape, double auxiliary_weight, const DropoutRates& dropout,
                           const OptimizerRule& rule, std::int64_t lanes, std::int64_t max_steps, std::uint64_t seed, Keep keep,
                           at::TensorOptions options)
    : ranks_(ranks),
      shape_(shape),
      auxiliary_weight_(auxiliary_weight),
      dropout_(dropout),
      rule_(rule),
      all_lanes_(lanes),
      lanes_(shard_range(lanes, ranks.size(), ranks.rank())),
      seed_(seed),
      options_(options),
      weights_(ParameterLayout(shape), options),
      gradients_(weights_.layout(), options),
      optimizer_(rule, weights_.layout(), options),
      model_(shape, auxiliary_weight, lanes_.size(), max_steps, keep, options),
      history_(model_.zero_history()) {}

void TrainingStep::clear_history() {
  history_.hidden.zero_();
  history_.cell.zero_();
}

StepResult TrainingStep::run(const WindowBatch& batch, std::int64_t step, double learning_rate) {
  draw_masks(masks_, dropout_, shape_, seed_, static_cast<std::uint64_t>(step), lanes_, options_);
  const std::int64_t tokens = (batch.steps - batch.discard) * all_lanes_;
  const LossSums local = model_.forward_backward(weights_, as_tensors(batch), masks_, static_cast<double>(tokens), history_, gradients_);

  std::array<double, 2> sums{local.loss, local.auxiliary};
  ranks_.world.all_reduce(sums, Reduction::sum);
  reduce_gradients(ranks_.group, gradients_);
  LanguageModel::finish_gradients(weights_, masks_, gradients_);

  StepResult result;
  result.tokens = tokens;
  result.loss_nats_per_token = sums[0] / static_cast<double>(tokens);
  result.auxiliary_loss_nats_per_token = sums[1] / static_cast<double>(tokens);
  result.gradient_norm = global_norm(gradients_);
  if (!std::isfinite(sums[0] + auxiliary_weight_ * sums[1]) || !std::isfinite(result.gradient_norm)) {
    throw AgreedError<ExitCode::numeric_failure>(
        fmt::format("the loss ({}) or the gradient's norm ({}) is not finite", result.loss_nats_per_token, result.gradient_norm),
        fmt::format("step {}", step + 1),
        "resume from the last checkpoint with a lower optimizer.learning_rate or a smaller optimizer.clip", ranks_.size());
  }
  optimizer_.update(weights_, gradients_, clipping_factor(result.gradient_norm, rule_.clip), learning_rate, step + 1);
  return result;
}

}  // namespace trellis
