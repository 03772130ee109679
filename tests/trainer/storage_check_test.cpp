#include "trainer/storage_check.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(KeptCheckpoints, NeedRoomForTheNewestTheBestAndTheOneBeingWritten) {
  const KeptCheckpoints plain{.keep = 2}, validated{.keep = 2, .has_best = true};
  EXPECT_EQ(plain.needed_beside(0), 2);
  EXPECT_EQ(plain.needed_beside(1), 1);
  EXPECT_EQ(plain.needed_beside(9), 1);
  EXPECT_EQ(validated.needed_beside(0), 3);
  EXPECT_EQ(validated.needed_beside(2), 1);
}

TEST(KeptCheckpoints, GiveUpOnlyWhatTheNextSaveWouldRemove) {
  EXPECT_EQ((KeptCheckpoints{.keep = 1}.removable(1)), 0);  // never the newest
  EXPECT_EQ((KeptCheckpoints{.keep = 2}.removable(2)), 1);
  EXPECT_EQ((KeptCheckpoints{.keep = 2, .has_best = true}.removable(2)), 0);
  EXPECT_EQ((KeptCheckpoints{.keep = 5, .has_best = true}.removable(6)), 1);
  EXPECT_EQ((KeptCheckpoints{.keep = 3}.removable(0)), 0);
}

}  // namespace
}  // namespace trellis
