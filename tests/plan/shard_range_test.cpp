#include "plan/shard_range.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

class ShardRange : public testing::TestWithParam<std::tuple<std::int64_t, int>> {};

TEST_P(ShardRange, PartsTileTheWholeWithoutGapOrOverlapAndDifferByAtMostOne) {
  const auto [count, parts] = GetParam();
  std::int64_t next = 0, smallest = count, largest = 0;
  for (int part = 0; part < parts; ++part) {
    const Range range = shard_range(count, parts, part);
    EXPECT_EQ(range.begin, next);
    EXPECT_GE(range.size(), 0);
    smallest = std::min(smallest, range.size());
    largest = std::max(largest, range.size());
    next = range.end;
  }
  EXPECT_EQ(next, count);
  EXPECT_LE(largest - smallest, 1);
}

INSTANTIATE_TEST_SUITE_P(AwkwardSizes, ShardRange,
                         testing::Combine(testing::Values<std::int64_t>(0, 1, 6, 7, 100'000'001),
                                          testing::Values(1, 2, 3, 4, 7)));

}  // namespace
}  // namespace trellis
