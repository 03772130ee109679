#include "plan/learning_rate.h"

#include <algorithm>
#include <cmath>

#include "base/errors.h"

namespace trellis {
namespace {

// (1 + cos(pi x)) / 2 for x in [0, 1]. By its series and not by cos(), whose last bit differs from library to library.
double half_cosine(double x) {
  if (x > 0.5) return 1 - half_cosine(1 - x);
  constexpr double kPi = 3.14159265358979323846;
  const double square = (kPi * x) * (kPi * x);
  double term = 0.5, sum = 1;
  for (int n = 2; n <= 24; n += 2) {  // the next term is below 1e-21
    term *= -square / (n * (n - 1));
    sum += term;
  }
  return sum;
}

// What the decay makes of `rate`, which the falls have left. `lowest` is the floor or a base below it.
double decayed(const LearningRateSchedule& schedule, double rate, double lowest, std::int64_t step) {
  if (schedule.decay == RateDecay::none || step < schedule.warmup_steps) return rate;
  require(schedule.decay_steps > 0, "learning_rate_at: a decay over no steps");
  const double passed = static_cast<double>(step - schedule.warmup_steps) / static_cast<double>(schedule.decay_steps);
  if (schedule.decay == RateDecay::cosine) return lowest + (rate - lowest) * half_cosine(std::min(1.0, passed));
  return std::max(lowest, rate / std::sqrt(1 + passed));
}

}  // namespace

double batch_factor(BatchRule rule, std::int64_t scored_per_step, std::int64_t reference) {
  if (rule == BatchRule::none) return 1;
  require(scored_per_step > 0 && reference > 0, "batch_factor: a step of no size");
  const double ratio = static_cast<double>(scored_per_step) / static_cast<double>(reference);
  return rule == BatchRule::linear ? ratio : std::sqrt(ratio);
}

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
  rate = decayed(schedule, std::max(rate, lowest), lowest, step);
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
