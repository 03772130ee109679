// One step of training on a mesh: every rank computes its share of a window, gradients are summed, and every rank makes the
// same update of what it holds. A step is started and waited for apart: a GPU that has the next one queued never idles for a host
// that wants to know the loss.
#pragma once

#include <optional>

#include "comm/mesh_groups.h"
#include "model/host_copy.h"
#include "optimizer/optimizer.h"
#include "train/plan_check.h"
#include "train/task.h"

namespace trellis {

struct StepResult {
  StepLoss loss;
  double gradient_norm = 0;  // before clipping
};

// A step whose numbers are under way.
class StartedStep {
 public:
  // numbers: those of `sums`, then the gradient's norm.
  StartedStep(const MeshGroups& groups, std::int64_t step, const at::Tensor& numbers, StepSums sums);
  // Collective, once. Throws NumericError, on every rank, when the loss or the gradient is not finite; weights and moments are then
  // as they were before this step, and no later one has changed them.
  StepResult wait();
  std::int64_t scored() const { return sums_.scored; }  // known before

 private:
  const MeshGroups* groups_;
  std::int64_t step_;
  HostCopy numbers_;
  StepSums sums_;
};

class TrainingStep {
 public:
  // groups and task must outlive this.
  TrainingStep(const MeshGroups& groups, Task& task, const OptimizerRule& rule, at::TensorOptions options);

  const MeshGroups& groups() const { return groups_; }

  // The first steps are held against what is planned for them; chunks: of time.
  void check_plan(const RunNumbers& run, std::int64_t chunks) { plan_check_.emplace(run, groups_, chunks); }

  Task& task() { return task_; }
  Parameters& weights() { return weights_; }
  const Parameters& weights() const { return weights_; }
  Optimizer& optimizer() { return optimizer_; }
  // What validation and users of the network take: the averages of averaged SGD, or the weights themselves.
  const Parameters& evaluated_weights() const { return optimizer_.evaluated(weights_); }

  // Collective. step counts from 0: its masks are drawn for window number `step`, its Adam correction for step + 1. Returns when the
  // step has been computed, on a GPU as soon as it is queued.
  StartedStep start(std::int64_t step, double learning_rate);

 private:
  const MeshGroups& groups_;
  Task& task_;
  OptimizerRule rule_;
  Parameters weights_, gradients_;
  Optimizer optimizer_;
  at::Tensor failed_;  // one float64 number: 0, or NaN once a step was not finite
  std::optional<PlanCheck> plan_check_;
};

}  // namespace trellis
