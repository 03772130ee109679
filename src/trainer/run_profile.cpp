#include "trainer/run_profile.h"

#include "base/errors.h"
#include "base/log.h"

namespace trellis {

void RunProfile::plan(const Ranks& ranks, const std::filesystem::path& folder, const std::optional<ProfiledSteps>& wanted, std::int64_t step,
                      std::optional<std::int64_t> total_steps) {
  if (!wanted) return;
  tells_ = ranks.rank() == 0;
  const ProfilePlan plan = plan_profile(*wanted, step, total_steps);
  if (!plan.warning.empty() && tells_) log_warning("{}", plan.warning);
  if (!plan.steps) return;
  profile_.emplace(ranks, folder, *plan.steps);
  profile_->make_folder();  // what hinders it is found now, when nothing is lost by it
}

void RunProfile::end(std::int64_t step) {
  try {
    if (profile_->recording()) {
      profile_->end(step);
    } else if (tells_) {
      log_warning("nothing was profiled: the run ends with step {}, before step {}", step, profile_->steps().first);
    }
  } catch (const WriteError& error) {  // agreed
    if (tells_) log_warning("the profile is given up: {}", error.what());
  }
  profile_.reset();
}

}  // namespace trellis
