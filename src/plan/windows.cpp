#include "plan/windows.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/errors.h"

namespace trellis {

WindowPlan::WindowPlan(std::int64_t tokens, std::int64_t lanes, std::int64_t steps, std::int64_t discard, WindowUse use,
                       const std::string& where)
    : lanes_(lanes), steps_(steps), discard_(discard), lane_length_(0), windows_(0), use_(use) {
  if (lanes < 1) throw ConfigError(fmt::format("{} lanes, expected at least 1", lanes), where, "");
  if (steps < 1) throw ConfigError(fmt::format("windows of {} steps, expected at least 1", steps), where, "");
  if (discard < 0 || discard >= steps)
    throw ConfigError(
        fmt::format("{} discarded steps in windows of {} steps, expected 0 to {}", discard, steps, steps - 1), where,
        "discard fewer steps, or take longer windows");
  lane_length_ = tokens / lanes;
  // In training a lane must outlast the steps without loss of its first window.
  const std::int64_t needed = use == WindowUse::training ? discard + 2 : 2;
  if (lane_length_ < needed)
    throw ConfigError(fmt::format("{} tokens in {} lanes leave {} for each, expected at least {}", tokens, lanes,
                                  lane_length_, needed),
                      where,
                      discard > 0 && use == WindowUse::training
                          ? "take fewer lanes, a longer text, or discard fewer steps"
                          : "take fewer lanes, or a longer text");
  // Window k starts at k * stride and exists while it predicts more than it discards: lane_length - 1 - k * stride >
  // discard.
  const std::int64_t stride = steps - discard, predictions = lane_length_ - 1;
  windows_ = std::max<std::int64_t>(1, (predictions - discard + stride - 1) / stride);
}

Window WindowPlan::window(std::int64_t index) const {
  require(index >= 0 && index < windows_, "a window was asked for that the plan does not have");
  const std::int64_t start = index * (steps_ - discard_);
  const bool scores_all = use_ == WindowUse::evaluation && index == 0;
  return {start, std::min(steps_, lane_length_ - 1 - start), scores_all ? 0 : discard_};
}

std::int64_t WindowPlan::scored_tokens() const {
  return lanes_ * (lane_length_ - 1 - (use_ == WindowUse::training ? discard_ : 0));
}

}  // namespace trellis
