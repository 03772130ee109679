#include "config/base_rate.h"

namespace trellis {

std::int64_t scored_per_step(const Settings& settings) {
  const TrainSettings& train = settings.train;
  if (settings.model.task == TaskKind::classifier) return train.lanes;
  return static_cast<std::int64_t>(train.lanes) * (train.window - train.discard);
}

double base_rate(const Settings& settings) {
  return settings.optimizer.learning_rate *
         batch_factor(settings.schedule.batch_rule, scored_per_step(settings), settings.schedule.reference_batch);
}

}  // namespace trellis
