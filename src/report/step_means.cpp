#include "report/step_means.h"

#include <algorithm>

namespace trellis {
namespace {

// mean + (x - mean) share: x itself where share is 1, whatever the mean was.
void move(double& mean, double x, double share) { mean = share == 1 ? x : mean + (x - mean) * share; }

void move(std::optional<double>& mean, const std::optional<double>& x, double share) {
  if (!x) return;
  if (!mean) mean = *x;
  move(*mean, *x, share);
}

void move(StepNumbers& means, const StepNumbers& step, double share_of_scored, double share_of_steps) {
  move(means.loss_nats, step.loss_nats, share_of_scored);
  move(means.accuracy, step.accuracy, share_of_scored);
  move(means.auxiliary_loss, step.auxiliary_loss, share_of_scored);
  move(means.gradient_norm, step.gradient_norm, share_of_steps);
}

}  // namespace

void StepMeans::add(const StepNumbers& step, std::int64_t scored) {
  ++steps_;
  scored_ += scored;
  const double of_scored = scored_ > 0 ? static_cast<double>(scored) / static_cast<double>(scored_) : 1;
  move(means_, step, steps_ == 1 ? 1 : of_scored, 1 / static_cast<double>(steps_));
  // written so that a norm that is no number stays
  largest_norm_ = steps_ == 1 || !(step.gradient_norm <= largest_norm_) ? step.gradient_norm : largest_norm_;
}

void RunningMeans::add(const StepNumbers& step) {
  steps_ = std::min(steps_ + 1, memory_);
  const double share = 1 / static_cast<double>(steps_);
  move(means_, step, share, share);
}

}  // namespace trellis
