#include "trainer/stop_rules.h"

#include <algorithm>
#include <limits>

namespace trellis {

std::optional<Stop> finished(const TrainSettings& settings, const RunState& state) {
  if (settings.steps > 0 && state.step >= settings.steps) return Stop{"steps", false};
  if (settings.epochs > 0 && state.epoch >= settings.epochs) return Stop{"epochs", false};
  if (settings.patience > 0 && state.validations_without_best >= settings.patience) return Stop{"patience", false};
  return std::nullopt;
}

std::int64_t steps_of_passes(std::int64_t passes, std::int64_t windows_of_a_pass) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  return windows_of_a_pass > 0 && passes > kMost / windows_of_a_pass ? kMost : passes * windows_of_a_pass;
}

std::optional<std::int64_t> total_steps(const TrainSettings& settings, std::int64_t windows_of_a_pass) {
  std::optional<std::int64_t> total;
  if (settings.epochs > 0) total = steps_of_passes(settings.epochs, windows_of_a_pass);
  if (settings.steps > 0) total = std::min(total.value_or(settings.steps), settings.steps);
  return total;
}

}  // namespace trellis
