#include "plan/sequence_batches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::HasSubstr;

TEST(SequenceBatches, EveryPlaceComesOnceInOrderForEverySmallCase) {
  for (std::int64_t sequences = 1; sequences <= 30; ++sequences)
    for (std::int64_t lanes = 1; lanes <= 12; ++lanes) {
      const SequenceBatches plan(sequences, lanes, "here");
      std::int64_t next = 0;
      for (std::int64_t batch = 0; batch < plan.batches(); ++batch) {
        const Range places = plan.places(batch);
        ASSERT_EQ(places.begin, next);
        ASSERT_EQ(places.begin, batch * lanes);
        ASSERT_GE(places.size(), 1);
        ASSERT_TRUE(places.size() == lanes || batch + 1 == plan.batches());
        next = places.end;
      }
      ASSERT_EQ(next, sequences);
    }
}

TEST(SequenceBatches, LanesTileABatchHoweverTheyAreDealtAndTheLastMayLeaveARankNone) {
  for (const std::int64_t sequences : {1, 7, 20, 23})
    for (const int ranks : {1, 2, 3, 4, 7}) {
      const SequenceBatches plan(sequences, 7, "here");
      for (std::int64_t batch = 0; batch < plan.batches(); ++batch) {
        std::int64_t next = plan.places(batch).begin;
        for (int rank = 0; rank < ranks; ++rank) {
          const Range lanes = shard_range(7, ranks, rank), part = plan.places(batch, lanes);
          ASSERT_EQ(part.begin, next);
          ASSERT_LE(part.size(), lanes.size());
          // the lane alone says which place
          ASSERT_TRUE(part.empty() || part.begin == batch * 7 + lanes.begin);
          next = part.end;
        }
        ASSERT_EQ(next, plan.places(batch).end);
      }
    }
  const SequenceBatches plan(60'000, 64, "train");
  EXPECT_EQ(plan.batches(), 938);
  EXPECT_EQ(plan.places(937), (Range{59'968, 60'000}));
  EXPECT_EQ(plan.places(937, {16, 32}), (Range{59'984, 60'000}));
  EXPECT_TRUE(plan.places(937, {48, 64}).empty());
}

std::string refusal(std::int64_t sequences, std::int64_t lanes) {
  try {
    SequenceBatches(sequences, lanes, "split 'valid'");
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SequenceBatches, RefusesWhatGivesNoBatch) {
  EXPECT_THAT(refusal(10, 0), HasSubstr("0 lanes, expected at least 1\n  where: split 'valid'"));
  EXPECT_THAT(refusal(0, 3), HasSubstr("0 sequences, expected at least 1"));
  EXPECT_EQ(refusal(1, 100), "accepted");
  const SequenceBatches plan(10, 4, "here");
  EXPECT_THROW(plan.places(3), InternalError);
  EXPECT_THROW(plan.places(-1), InternalError);
  EXPECT_THROW(plan.places(0, {2, 5}), InternalError);
}

}  // namespace
}  // namespace trellis
