#include "config/run_limits.h"

#include <fmt/format.h>

#include <utility>

namespace trellis {

void let_last_length_count(LoadedSettings& loaded, const std::set<std::string>& given) {
  TrainSettings& train = loaded.settings.train;
  const std::pair<std::string, std::int64_t*> limits[] = {{"train.steps", &train.steps}, {"train.epochs", &train.epochs}};
  for (const auto& [key, value] : limits) {
    const auto& [other_key, other] = limits[key == "train.steps" ? 1 : 0];
    if (!given.contains(key) || *value == 0 || given.contains(other_key) || *other == 0) continue;
    std::string& origin = loaded.origins[other_key];
    loaded.notices.push_back(fmt::format("{}={}{} gives way to {}={} ({})", other_key, *other, origin.empty() ? "" : fmt::format(" ({})", origin), key,
                                         *value, loaded.origins[key]));
    origin = fmt::format("{} counts instead ({})", key, loaded.origins[key]);
    *other = 0;
  }
}

}  // namespace trellis
