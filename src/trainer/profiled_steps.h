// Which steps of a run are profiled: `--profile A:B`, and what is left of it in a run that begins and ends where it does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace trellis {

// Steps first to last, both included, counted from 1 as progress lines count them.
struct ProfiledSteps {
  std::int64_t first = 0, last = 0;
  bool operator==(const ProfiledSteps&) const = default;
};

// "10:12". Throws UsageError (2) unless these are two whole numbers, 1 <= A <= B.
ProfiledSteps parse_profiled_steps(const std::string& text);

// What a run will come by.
struct ProfilePlan {
  std::optional<ProfiledSteps> steps = {};  // empty: none of them
  std::string warning = {};                 // why it is not all that was asked for; empty when it is
};

// For a run that has done `done` steps and ends with step `total` at the latest (empty: nobody knows).
ProfilePlan plan_profile(const ProfiledSteps& asked, std::int64_t done, std::optional<std::int64_t> total);

}  // namespace trellis
