// Which settings may differ between a checkpoint and the run that resumes it. settings.def says so for each setting:
// fixed (model.*, the batch, the seed, the precision, the optimizer's name: another value is another run), noticed
// (rates, dropout, schedule, validation: allowed and printed), free (limits, logging, threads: allowed).
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"

namespace trellis {

struct SettingChange {
  std::string key, saved, now;  // "train.lanes", "16", "32"
  bool operator==(const SettingChange&) const = default;
};

// What must not have changed but has; a resume that finds any refuses.
std::vector<SettingChange> incompatible_changes(const Settings& saved, const Settings& now);

// What may change but makes the run differ from one that was never stopped; a resume prints these.
std::vector<SettingChange> noticed_changes(const Settings& saved, const Settings& now);

// What may change and leaves the numbers of the run as they are.
std::vector<SettingChange> free_changes(const Settings& saved, const Settings& now);

// "train.lanes: 16 in the checkpoint, 32 now", one line each.
std::string describe(const std::vector<SettingChange>& changes);

}  // namespace trellis
