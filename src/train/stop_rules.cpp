#include "train/stop_rules.h"

#include <algorithm>

namespace trellis {

std::optional<Stop> finished(const TrainSettings& settings, const RunState& state) {
  if (settings.steps > 0 && state.step >= settings.steps) return Stop{"steps", false};
  if (settings.epochs > 0 && state.epoch >= settings.epochs) return Stop{"epochs", false};
  if (settings.patience > 0 && state.validations_without_best >= settings.patience) return Stop{"patience", false};
  return std::nullopt;
}

std::optional<std::int64_t> total_steps(const TrainSettings& settings, std::int64_t windows_of_a_pass) {
  std::optional<std::int64_t> total;
  if (settings.epochs > 0) total = settings.epochs * windows_of_a_pass;
  if (settings.steps > 0) total = std::min(total.value_or(settings.steps), settings.steps);
  return total;
}

}  // namespace trellis
