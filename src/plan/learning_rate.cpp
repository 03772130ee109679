#include "plan/learning_rate.h"

#include <algorithm>

#include "base/errors.h"

namespace trellis {

double learning_rate_at(const LearningRateSchedule& schedule, std::int64_t step, std::int64_t epochs_finished,
                        std::int64_t plateau_falls) {
  require(step >= 0 && epochs_finished >= 0 && plateau_falls >= 0, "learning_rate_at: a negative step, epoch or fall");
  const auto passed = std::count_if(schedule.milestones.begin(), schedule.milestones.end(),
                                    [&](std::int64_t milestone) { return milestone <= epochs_finished; });
  const double lowest = std::min(schedule.base, schedule.floor);
  double rate = schedule.base;
  // multiplied one by one, not by pow(): the same bits on every machine
  for (std::int64_t fall = 0; fall < passed + plateau_falls && rate > lowest && schedule.factor < 1; ++fall) {
    rate *= schedule.factor;
  }
  rate = std::max(rate, lowest);
  if (step < schedule.warmup_steps) {
    rate *= static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  }
  return rate;
}

bool observe_validation(PlateauState& state, double loss_nats_per_token, int patience) {
  if (patience <= 0) return false;
  const auto forget_oldest = [&] {
    // written so that a loss that is not a number never becomes the best
    if (!state.best_before || state.recent.front() < *state.best_before) state.best_before = state.recent.front();
    if (*state.best_before != *state.best_before) state.best_before.reset();
    state.recent.erase(state.recent.begin());
  };
  while (state.recent.size() > static_cast<std::size_t>(patience)) forget_oldest();
  const bool falls = state.best_before && !(loss_nats_per_token <= *state.best_before);
  if (falls) ++state.falls;
  state.recent.push_back(loss_nats_per_token);
  if (state.recent.size() > static_cast<std::size_t>(patience)) forget_oldest();
  return falls;
}

}  // namespace trellis
