#include "plan/windows.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/errors.h"

namespace trellis {

WindowPlan::WindowPlan(std::int64_t tokens, std::int64_t lanes, std::int64_t steps, std::int64_t discard, WindowUse use,
                       const std::string& where, std::int64_t context)
    : tokens_(tokens), lanes_(lanes), steps_(steps), discard_(discard), context_(context), lane_length_(0), windows_(0), use_(use) {
  if (lanes < 1) throw ConfigError(fmt::format("{} lanes, expected at least 1", lanes), where, "");
  if (steps < 1) throw ConfigError(fmt::format("windows of {} steps, expected at least 1", steps), where, "");
  if (discard < 0 || discard >= steps)
    throw ConfigError(
        fmt::format("{} discarded steps in windows of {} steps, expected 0 to {}", discard, steps, steps - 1), where,
        "discard fewer steps, or take longer windows");
  require(context == 0 || use == WindowUse::evaluation, "only lanes of an evaluation overlap");
  if (context < 0) throw ConfigError(fmt::format("{} steps of context, expected at least 0", context), where, "");
  if (context > 0 && tokens > 1 && lanes > tokens - 1)
    throw ConfigError(fmt::format("{} lanes for the {} predictions of {} tokens", lanes, tokens - 1, tokens), where, "take fewer lanes");
  lane_length_ = tokens / lanes;
  // In training a lane must outlast the steps without loss of its first window.
  const std::int64_t needed = use == WindowUse::training ? discard + 2 : 2;
  if (lane_length_ < needed && !(context > 0 && tokens > 1))
    throw ConfigError(fmt::format("{} tokens in {} lanes leave {} for each, expected at least {}", tokens, lanes,
                                  lane_length_, needed),
                      where,
                      discard > 0 && use == WindowUse::training
                          ? "take fewer lanes, a longer text, or discard fewer steps"
                          : "take fewer lanes, or a longer text");
  if (use == WindowUse::evaluation)
    for (std::int64_t index = 0; index < lanes; ++index) lane_length_ = std::max(lane_length_, lane(index).size());
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

std::int64_t WindowPlan::steps_of_lane(std::int64_t index, const Window& window) const {
  return std::clamp<std::int64_t>(lane(index).size() - 1 - window.start, 0, window.steps);
}

WindowPlan::Start WindowPlan::start_with_context(std::int64_t index) const {
  const std::int64_t predictions = tokens_ - 1, even = shard_range(predictions, lanes_, static_cast<int>(index)).begin;
  if (even <= context_) return {even, 0};  // all that there is before it
  const std::int64_t stride = steps_ - discard_, unit = predictions / lanes_ >= stride ? stride : 1;
  const std::int64_t read = (even - context_) / unit * unit;
  return {read + context_, read};
}

Range WindowPlan::lane(std::int64_t index) const {
  if (use_ == WindowUse::training) return {index * lane_length_, (index + 1) * lane_length_};
  if (context_ == 0 || lanes_ == 1) return shard_range(tokens_, static_cast<int>(lanes_), static_cast<int>(index));
  const std::int64_t end = index + 1 < lanes_ ? start_with_context(index + 1).scored + 1 : tokens_;
  return {start_with_context(index).read, end};
}

std::int64_t WindowPlan::overlap(std::int64_t index) const {
  if (context_ == 0 || lanes_ == 1) return 0;
  const Start start = start_with_context(index);
  return start.scored - start.read;
}

std::int64_t WindowPlan::scored_tokens() const {
  std::int64_t scored = 0;
  for (std::int64_t index = 0; index < lanes_; ++index) {
    scored += lane(index).size() - 1 - overlap(index) - (use_ == WindowUse::training ? discard_ : 0);
  }
  return scored;
}

}  // namespace trellis
