// One step of training on a mesh: every rank computes its share of a window, gradients are summed, and every rank makes the
// same update of what it holds.
#pragma once

#include <algorithm>
#include <optional>

#include "comm/mesh_groups.h"
#include "train/optimizer.h"
#include "train/plan_check.h"
#include "train/task.h"

namespace trellis {

struct StepResult {
  StepLoss loss;
  double gradient_norm = 0;  // before clipping
};

class TrainingStep {
 public:
  // groups and task must outlive this.
  TrainingStep(const MeshGroups& groups, Task& task, const OptimizerRule& rule, at::TensorOptions options);

  const MeshGroups& groups() const { return groups_; }

  // The first steps are held against what is planned for them; chunks: of time, 0 where they are to be measured.
  void check_plan(const RunNumbers& run, std::int64_t chunks) { plan_check_.emplace(run, groups_, std::max<std::int64_t>(1, chunks)); }

  Task& task() { return task_; }
  Parameters& weights() { return weights_; }
  const Parameters& weights() const { return weights_; }
  Optimizer& optimizer() { return optimizer_; }
  // What validation and users of the network take: the averages of averaged SGD, or the weights themselves.
  const Parameters& evaluated_weights() const { return optimizer_.evaluated(weights_); }

  // Collective. step counts from 0: its masks are drawn for window number `step`, its Adam correction for step + 1.
  // Throws NumericError, on every rank, when the loss or the gradient is not finite; weights are then unchanged.
  StepResult run(std::int64_t step, double learning_rate);

 private:
  const MeshGroups& groups_;
  Task& task_;
  OptimizerRule rule_;
  Parameters weights_, gradients_;
  Optimizer optimizer_;
  std::optional<PlanCheck> plan_check_;
};

}  // namespace trellis
