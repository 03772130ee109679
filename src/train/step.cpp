#include "train/step.h"

#include <fmt/core.h>

#include <cmath>

#include "base/time_span.h"
#include "mpi/agreement.h"

namespace trellis {

TrainingStep::TrainingStep(const MeshGroups& groups, Task& task, const OptimizerRule& rule, at::TensorOptions options)
    : groups_(groups),
      task_(task),
      rule_(rule),
      weights_(task.layout(), options),
      gradients_(weights_.layout(), options),
      optimizer_(rule, weights_.layout(), options, &groups.vocabulary) {}

StepResult TrainingStep::run(std::int64_t step, double learning_rate) {
  const TimeSpan timed("step", {.step = step + 1});
  StepResult result;
  result.loss = task_.forward_backward(weights_, step, gradients_);
  result.gradient_norm = global_norm(gradients_, &groups_.vocabulary);
  if (!std::isfinite(result.loss.objective) || !std::isfinite(result.gradient_norm)) {
    throw AgreedError<ExitCode::numeric_failure>(
        fmt::format("the loss ({}) or the gradient's norm ({}) is not finite", result.loss.objective, result.gradient_norm),
        fmt::format("step {}", step + 1),
        "resume from the last checkpoint, or begin anew, with a lower optimizer.learning_rate or a smaller optimizer.clip", groups_.world.size());
  }
  optimizer_.update(weights_, gradients_, clipping_factor(result.gradient_norm, rule_.clip), learning_rate, step + 1);
  if (plan_check_) plan_check_->after_step();
  return result;
}

}  // namespace trellis
