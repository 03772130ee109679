#include "trainer/run_ends.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(StepUnderWay, BelongsToItsPassAndCountsThoseThatAreFinished) {
  RunState state;
  state.step = 9, state.epoch = 0, state.window = 9;
  EXPECT_EQ(step_under_way(state, 10, 0.1).pass, 1);
  EXPECT_EQ(step_under_way(state, 10, 0.1).epoch, 0);
  EXPECT_EQ(step_under_way(state, 10, 0.1).window, 9);
  state.step = 10, state.window = 10;  // the pass's last
  EXPECT_EQ(step_under_way(state, 10, 0.1).pass, 1);
  EXPECT_EQ(step_under_way(state, 10, 0.1).epoch, 1);
  EXPECT_EQ(step_under_way(state, 10, 0.1).window, 0);
  state.step = 11, state.epoch = 1, state.window = 1;
  EXPECT_EQ(step_under_way(state, 10, 0.1).pass, 2);
  EXPECT_EQ(step_under_way(state, 10, 0.1).epoch, 1);
  EXPECT_EQ(step_under_way(state, 10, 0.1).window, 1);
}

}  // namespace
}  // namespace trellis
