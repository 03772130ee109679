#include "train/step.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/time_span.h"
#include "mpi/agreement.h"

namespace trellis {

TrainingStep::TrainingStep(const MeshGroups& groups, Task& task, const OptimizerRule& rule, at::TensorOptions options)
    : groups_(groups),
      task_(task),
      rule_(rule),
      weights_(task.layout(), options),
      gradients_(weights_.layout(), options),
      optimizer_(rule, weights_.layout(), options, &groups.vocabulary),
      failed_(at::zeros({}, options.dtype(at::kDouble))) {}

StartedStep TrainingStep::start(std::int64_t step, double learning_rate) {
  const TimeSpan timed("step", {.step = step + 1});
  StepSums sums = task_.forward_backward(weights_, step, gradients_);
  const at::Tensor norm = global_norm(gradients_, &groups_.vocabulary);
  const at::Tensor numbers = at::cat({sums.numbers, norm.view({1})});
  failed_.add_((numbers * 0).sum());  // NaN where a number is not finite, and from then on
  optimizer_.update(weights_, gradients_, clipping_factor(norm, rule_.clip).add_(failed_), learning_rate, step + 1);
  if (plan_check_) plan_check_->after_step();
  return StartedStep(groups_, step, numbers, std::move(sums));
}

StartedStep::StartedStep(const MeshGroups& groups, std::int64_t step, const at::Tensor& numbers, StepSums sums)
    : groups_(&groups), step_(step), numbers_(numbers), sums_(std::move(sums)) {}

StepResult StartedStep::wait() {
  const TimeSpan timed("wait for a step", {.step = step_ + 1});
  const Watchdog::Guard guard(groups_->world.watchdog(), "numbers of a step");
  const at::Tensor& numbers = numbers_.wait();
  const double* const first = numbers.const_data_ptr<double>();
  const StepResult result{.loss = sums_.loss(first), .gradient_norm = first[numbers.numel() - 1]};
  if (std::all_of(first, first + numbers.numel(), [](double number) { return std::isfinite(number); })) return result;  // as failed_
  throw AgreedError<ExitCode::numeric_failure>(
      fmt::format("the loss ({}) or the gradient's norm ({}) is not finite", result.loss.objective, result.gradient_norm),
      fmt::format("step {}", step_ + 1),
      "resume from the last checkpoint, or begin anew, with a lower optimizer.learning_rate or a smaller optimizer.clip", groups_->world.size());
}

}  // namespace trellis
