#include "plan/windows.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/errors.h"

namespace trellis {

WindowPlan::WindowPlan(std::int64_t tokens, std::int64_t lanes, std::int64_t steps, std::int64_t discard, WindowUse use,
                       const std::string& where, std::int64_t context)
    : tokens_(tokens), lanes_(lanes), steps_(steps), discard_(discard), lane_length_(0), windows_(0), use_(use) {
  if (lanes < 1) throw ConfigError(fmt::format("{} lanes, expected at least 1", lanes), where, "");
  if (steps < 1) throw ConfigError(fmt::format("windows of {} steps, expected at least 1", steps), where, "");
  if (discard < 0 || discard >= steps)
    throw ConfigError(
        fmt::format("{} discarded steps in windows of {} steps, expected 0 to {}", discard, steps, steps - 1), where,
        "discard fewer steps, or take longer windows");
  require(context == 0 || use == WindowUse::evaluation, "only lanes of an evaluation overlap");
  if (context < 0) throw ConfigError(fmt::format("{} steps of context, expected at least 0", context), where, "");
  lane_length_ = tokens / lanes;
  stride_ = lane_length_;
  if (context > 0 && lanes > 1) {
    // lane_length - 1 predictions of the first lane and context fewer of every other are the tokens - 1 of the split
    lane_length_ = (tokens - 1 + (lanes - 1) * context + lanes - 1) / lanes + 1;
    stride_ = lane_length_ - 1 - context;
    if (stride_ < 1 || lane_length_ > tokens)
      throw ConfigError(fmt::format("{} tokens are too few for {} lanes with {} steps of context each", tokens, lanes, context), where,
                        "take fewer lanes, or less context");
  }
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

Range WindowPlan::lane(std::int64_t index) const {
  const std::int64_t begin = std::min(index * stride_, tokens_ - lane_length_);
  return {begin, begin + lane_length_};
}

std::int64_t WindowPlan::overlap(std::int64_t index) const {
  // a lane's last token is predicted by it, and is the first that the next one needs not predict
  return index == 0 ? 0 : std::max<std::int64_t>(0, lane(index - 1).end - 1 - lane(index).begin);
}

std::int64_t WindowPlan::scored_tokens() const {
  std::int64_t scored = lanes_ * (lane_length_ - 1 - (use_ == WindowUse::training ? discard_ : 0));
  for (std::int64_t index = 0; index < lanes_; ++index) scored -= overlap(index);
  return scored;
}

}  // namespace trellis
