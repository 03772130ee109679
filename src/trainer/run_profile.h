// When a run is profiled (trainer/profile.h), if it is to be. A profile that cannot be written is given up, with a warning: it ends no
// run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "ranks/ranks.h"
#include "trainer/profile.h"
#include "trainer/profiled_steps.h"

namespace trellis {

class RunProfile {
 public:
  // Collective. Nothing is profiled without `wanted`. The run stands behind `step`. Throws WriteError when there can be no folder for
  // profiles.
  void plan(const Ranks& ranks, const std::filesystem::path& folder, const std::optional<ProfiledSteps>& wanted, std::int64_t step,
            std::optional<std::int64_t> total_steps);

  // Whether it begins with the step behind `step`, and whether it ends now: where its last step is done, or the run.
  bool begins_behind(std::int64_t step) const { return profile_ && step + 1 == profile_->steps().first; }
  bool ends_at(std::int64_t step, bool run_ended) const { return profile_ && (run_ended || step == profile_->steps().last); }

  // Collective; no step is under way.
  void begin() { profile_->begin(); }
  void end(std::int64_t step);

 private:
  std::optional<Profile> profile_;  // while there are steps to come that are to be profiled
  bool tells_ = false;              // rank 0
};

}  // namespace trellis
