// Levels cut into segments of `every` levels, of which only the input of the first is kept over a window; those of the others
// are computed again, segment by segment, in a memory that all segments share. every = 1 keeps all inputs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "plan/shard_range.h"

namespace trellis {

struct LevelSegments {
  Range levels;
  std::int64_t every = 1;

  // Levels of the longest segment.
  constexpr std::int64_t longest() const { return std::min(every, levels.size()); }
  constexpr Range segment_of(std::int64_t level) const {
    const std::int64_t begin = level - place_of(level);
    return {begin, std::min(begin + every, levels.end)};
  }
  // Place of a level within its segment, from 0.
  constexpr std::int64_t place_of(std::int64_t level) const { return (level - levels.begin) % every; }
  // Whether the input of `level` is kept; levels.end: the result of the last level, which always is.
  constexpr bool keeps_input_of(std::int64_t level) const { return level == levels.end || place_of(level) == 0; }
};

}  // namespace trellis
