#include "plan/evaluation_lanes.h"

#include <gtest/gtest.h>

#include "plan/windows.h"

namespace trellis {
namespace {

TEST(EvaluationLanes, ContextIsTheOverlapWhereWindowsDependOnNothingElse) {
  EXPECT_EQ(enough_context(110, 70, 55), 70);
  EXPECT_EQ(enough_context(110, 10, 55), 64);
}

TEST(EvaluationLanes, ContextOfHistoryThatIsHandedOnCoversSeveralWindowsAndTheReachUpToALimit) {
  EXPECT_EQ(enough_context(32, 0, 16), enough_context(32, 0, 17));
  EXPECT_GE(enough_context(32, 0, 16), 2 * 32);
  EXPECT_EQ(enough_context(32, 0, 500), 500);
  EXPECT_EQ(enough_context(1, 0, 1), 64);
  EXPECT_EQ(enough_context(1'000'000, 0, 1'000'000'000), enough_context(2'000'000, 0, 1));
}

TEST(EvaluationLanes, AreFewWhereTheTextIsShortOrTheWindowLong) {
  EXPECT_EQ(lanes_for_evaluation(440, 10, 64), 1);
  EXPECT_EQ(lanes_for_evaluation(1, 1, 64), 1);
  EXPECT_EQ(lanes_for_evaluation(0, 1, 64), 1);
  EXPECT_EQ(lanes_for_evaluation(1'000'000'000, 5000, 64), 1);
  EXPECT_GE(lanes_for_evaluation(245'569, 32, 128), 16);
}

TEST(EvaluationLanes, ReadNoMoreThanATwentiethTwiceAndFitTheText) {
  for (const std::int64_t tokens : {2, 100, 1'281, 5'000, 70'000, 245'569, 100'000'000})
    for (const std::int64_t window : {1, 10, 35, 110, 3'000})
      for (const std::int64_t discard : {0, 5, 70})
        for (const std::int64_t reach : {1, 55, 20'000}) {
          if (discard >= window) continue;
          const std::int64_t context = enough_context(window, discard, reach), lanes = lanes_for_evaluation(tokens, window - discard, context);
          ASSERT_GE(context, 64);
          ASSERT_GE(lanes, 1);
          ASSERT_LE((lanes - 1) * context * 20, tokens);
          const WindowPlan plan(tokens, lanes, window, discard, WindowUse::evaluation, "here", context);
          ASSERT_EQ(plan.scored_tokens(), tokens - 1);
          for (std::int64_t lane = 1; lane < lanes; ++lane) ASSERT_EQ(plan.overlap(lane), context);
        }
}

}  // namespace
}  // namespace trellis
