#include "trainer/profiled_steps.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "base/errors.h"

namespace trellis {
namespace {

std::optional<std::int64_t> whole_number(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

[[noreturn]] void refuse(const std::string& what) {
  throw UsageError(what, "command line", "give the first and the last step, as progress lines count them: --profile 10:12");
}

std::string text_of(const ProfiledSteps& steps) {
  return steps.first == steps.last ? fmt::format("step {}", steps.first) : fmt::format("steps {} to {}", steps.first, steps.last);
}

}  // namespace

ProfiledSteps parse_profiled_steps(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) refuse(fmt::format("--profile is '{}', expected A:B, two steps' numbers", text));
  const auto first = whole_number(text.substr(0, colon)), last = whole_number(text.substr(colon + 1));
  if (!first || !last) refuse(fmt::format("--profile is '{}', expected A:B, two steps' numbers", text));
  if (*first < 1) refuse(fmt::format("--profile begins with step {}, but a run's first step is 1", *first));
  if (*last < *first) refuse(fmt::format("--profile ends with step {}, before its first, {}", *last, *first));
  return {*first, *last};
}

ProfilePlan plan_profile(const ProfiledSteps& asked, std::int64_t done, std::optional<std::int64_t> total) {
  if (asked.last <= done) {
    return {.warning = fmt::format("nothing is profiled: the run goes on from step {}, behind {}", done, text_of(asked))};
  }
  if (total && asked.first > *total) {
    return {.warning = fmt::format("nothing is profiled: the run ends with step {}, before {}", *total, text_of(asked))};
  }
  const ProfiledSteps steps{std::max(asked.first, done + 1), total ? std::min(asked.last, *total) : asked.last};
  ProfilePlan plan{.steps = steps};
  if (steps != asked) {
    plan.warning = fmt::format("of {} only {} will be profiled:", text_of(asked), text_of(steps));
    if (steps.first != asked.first) plan.warning += fmt::format(" the run goes on from step {}", done);
    if (steps.last != asked.last) plan.warning += fmt::format("{} ends with step {}", steps.first != asked.first ? " and" : " the run", *total);
  }
  return plan;
}

}  // namespace trellis
