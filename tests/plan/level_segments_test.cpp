#include "plan/level_segments.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace trellis {
namespace {

TEST(LevelSegments, TileTheLevelsWithoutGapOrOverlap) {
  for (const Range levels : {Range{0, 1}, Range{0, 7}, Range{3, 7}, Range{6, 22}, Range{1, 56}})
    for (const std::int64_t every : {1, 2, 3, 5, 8, 100'000}) {
      const LevelSegments segments{levels, every};
      std::int64_t longest = 0;
      for (std::int64_t level = levels.begin; level < levels.end; ++level) {
        const Range segment = segments.segment_of(level);
        ASSERT_TRUE(segment.contains(level) && levels.begin <= segment.begin && segment.end <= levels.end);
        EXPECT_EQ(segment, segments.segment_of(segment.begin));
        EXPECT_EQ(segment, segments.segment_of(segment.end - 1));
        EXPECT_EQ(segments.place_of(level), level - segment.begin);
        EXPECT_EQ(segments.keeps_input_of(level), level == segment.begin);
        longest = std::max(longest, segment.size());
      }
      EXPECT_EQ(segments.longest(), longest);
      EXPECT_TRUE(segments.keeps_input_of(levels.begin));
      EXPECT_TRUE(segments.keeps_input_of(levels.end)) << "the result";
    }
}

}  // namespace
}  // namespace trellis
