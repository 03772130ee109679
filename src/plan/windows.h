// Which tokens a window holds. For training a split of N tokens is cut into B lanes of L = floor(N / B) consecutive tokens
// (what does not fill a lane is left out); lane b is tokens [b L, (b + 1) L). All lanes advance together, window by
// window: a window of s steps that begins at `start` reads tokens [start, start + s) of every lane and predicts tokens
// [start + 1, start + s + 1).
//
//   discard = 0   Windows follow each other (start 0, T, 2T, ...) and history is handed on from each to the next.
//   discard = D   Windows overlap by D steps (start 0, T - D, 2 (T - D), ...), each begins without history, and its
//   first D
//                 steps only build it up: they carry no loss. In evaluation the very first window is scored from its
//                 first step, so that every token but each lane's first is scored exactly once.
//
// The last window may be shorter.
//
// In evaluation nothing is left out: lanes are as long as each other but for a few tokens, and one that is over waits for the
// others. Without context they tile the split, and only each lane's first token is scored by nobody. With C steps of context
// every lane but the first begins C tokens before the first that it scores, or at the split's beginning, so that every token
// but the very first is scored exactly once. Such a lane begins where a window of one lane would, as long as its share is a window at least:
// its windows are then those of one lane, and where each begins without history (D > 0) and C >= D they score alike, too.
//
// Integers only.
#pragma once

#include <cstdint>
#include <string>

#include "plan/shard_range.h"

namespace trellis {

enum class WindowUse { training, evaluation };

struct Window {
  std::int64_t start = 0;    // first input token, counted within the lane
  std::int64_t steps = 0;    // inputs, as many as predictions
  std::int64_t discard = 0;  // leading steps that carry no loss, < steps
  bool operator==(const Window&) const = default;
};

class WindowPlan {
 public:
  // where: what the tokens are, for errors ("split 'valid'"). Throws ConfigError (78) when lanes or steps are below 1,
  // when discard is not in [0, steps), and when the lanes are too short to predict anything. context: as above; 0: lanes do
  // not overlap.
  WindowPlan(std::int64_t tokens, std::int64_t lanes, std::int64_t steps, std::int64_t discard, WindowUse use,
             const std::string& where, std::int64_t context = 0);

  std::int64_t lanes() const { return lanes_; }
  std::int64_t lane_length() const { return lane_length_; }  // of the longest lane, in tokens
  std::int64_t steps() const { return steps_; }              // of every window but perhaps the last
  std::int64_t discard() const { return discard_; }
  bool overlapping() const { return discard_ > 0; }  // each window begins without history
  std::int64_t windows() const { return windows_; }  // in one pass over the split
  // The tokens of the split that lane `lane` covers.
  Range lane(std::int64_t index) const;
  // Leading predictions of a lane that carry no loss because another lane has them.
  std::int64_t overlap(std::int64_t lane) const;
  // Window `index` of a pass, 0 <= index < windows(). Its discard is that of all lanes; see overlap besides.
  Window window(std::int64_t index) const;
  // How many of the window's steps lane `lane` has: all, or fewer where the lane ends before the longest one.
  std::int64_t steps_of_lane(std::int64_t lane, const Window& window) const;
  // Predictions that carry loss, in one pass over all lanes.
  std::int64_t scored_tokens() const;
  // Tokens at the split's end that belong to no lane.
  std::int64_t left_out() const { return tokens_ - lane(lanes_ - 1).end; }

  bool operator==(const WindowPlan&) const = default;

 private:
  // Of lanes with context: the first prediction that is lane `index`'s own, counted in the split (prediction n is of token
  // n + 1), and the first token that it reads.
  struct Start {
    std::int64_t scored, read;
  };
  Start start_with_context(std::int64_t index) const;

  std::int64_t tokens_, lanes_, steps_, discard_, context_, lane_length_, windows_;
  WindowUse use_;
};

}  // namespace trellis
