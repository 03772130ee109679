#include "config/base_rate.h"

#include <fmt/format.h>

#include "config/setting_values.h"

namespace trellis {

std::int64_t scored_per_step(const Settings& settings) {
  const TrainSettings& train = settings.train;
  if (settings.model.task == TaskKind::classifier) return train.lanes;
  return static_cast<std::int64_t>(train.lanes) * (train.window - train.discard) * train.accumulate;
}

double base_rate(const Settings& settings) {
  return settings.optimizer.learning_rate *
         batch_factor(settings.schedule.batch_rule, scored_per_step(settings), settings.schedule.reference_batch);
}

std::string base_rate_text(const Settings& settings) {
  const double rate = settings.optimizer.learning_rate, base = base_rate(settings);
  return fmt::format("learning rate {:.6g}: {:.6g} as tuned for {} a step, times {:.4g} for {} (schedule.batch_rule = {})", base, rate,
                     settings.schedule.reference_batch, base / rate, scored_per_step(settings), format_value(settings.schedule.batch_rule));
}

}  // namespace trellis
