#include "trainer/stop_rules.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TEST(StopRules, NothingEndsARunWithoutLimits) {
  RunState state;
  state.step = 1'000'000, state.epoch = 1000, state.validations_without_best = 1000;
  EXPECT_FALSE(finished({}, state));
  EXPECT_FALSE(total_steps({}, 10));
}

TEST(StopRules, EachLimitEndsARunWhenItIsReached) {
  TrainSettings settings;
  settings.steps = 10, settings.epochs = 3, settings.patience = 2;
  RunState state;
  state.step = 9, state.epoch = 2, state.validations_without_best = 1;
  EXPECT_FALSE(finished(settings, state));
  state.validations_without_best = 2;
  EXPECT_EQ(finished(settings, state)->reason, "patience");
  state.epoch = 3;
  EXPECT_EQ(finished(settings, state)->reason, "epochs");
  state.step = 10;
  EXPECT_EQ(finished(settings, state)->reason, "steps");
  EXPECT_FALSE(finished(settings, state)->resumable);
}

TEST(StopRules, TheEarlierOfStepsAndEpochsIsTheTotal) {
  TrainSettings settings;
  settings.epochs = 3;
  EXPECT_EQ(total_steps(settings, 10), 30);
  settings.steps = 7;
  EXPECT_EQ(total_steps(settings, 10), 7);
  settings.steps = 31;
  EXPECT_EQ(total_steps(settings, 10), 30);
}

}  // namespace
}  // namespace trellis
