// The learning rate under the rules for the size of a step.
#include "config/base_rate.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

Settings four_times_the_lanes() {
  Settings settings;
  settings.train.lanes = 64;
  settings.train.window = 32;
  settings.optimizer.learning_rate = 0.002;
  settings.schedule.reference_batch = 16 * 32;
  return settings;
}

TEST(BaseRate, IsTheRateGivenWithoutARule) {
  Settings settings = four_times_the_lanes();
  EXPECT_EQ(base_rate(settings), 0.002);
  settings.schedule.reference_batch = 0;
  EXPECT_EQ(base_rate(settings), 0.002);
}

TEST(BaseRate, GrowsWithTheStepOrItsRoot) {
  Settings settings = four_times_the_lanes();
  settings.schedule.batch_rule = BatchRule::linear;
  EXPECT_DOUBLE_EQ(base_rate(settings), 0.008);
  settings.schedule.batch_rule = BatchRule::square_root;
  EXPECT_DOUBLE_EQ(base_rate(settings), 0.004);
}

TEST(BaseRate, IsToldWithWhatItComesFrom) {
  Settings settings = four_times_the_lanes();
  settings.schedule.batch_rule = BatchRule::square_root;
  EXPECT_EQ(base_rate_text(settings), "learning rate 0.004: 0.002 as tuned for 512 a step, times 2 for 2048 (schedule.batch_rule = square_root)");
}

TEST(BaseRate, CountsOnlyStepsThatCarryLoss) {
  Settings settings = four_times_the_lanes();
  settings.train.discard = 24;
  EXPECT_EQ(scored_per_step(settings), 64 * 8);
  settings.schedule.batch_rule = BatchRule::linear;
  EXPECT_EQ(base_rate(settings), 0.002);
}

TEST(BaseRate, CountsAClassifiersSequences) {
  Settings settings = four_times_the_lanes();
  settings.model.task = TaskKind::classifier;
  EXPECT_EQ(scored_per_step(settings), 64);
  settings.schedule.batch_rule = BatchRule::linear;
  EXPECT_DOUBLE_EQ(base_rate(settings), 0.002 / 8);
}

TEST(BaseRate, OfTheLargestStepDoesNotOverflow) {
  Settings settings;
  settings.train.lanes = settings.train.window = 1'000'000;
  EXPECT_EQ(scored_per_step(settings), 1'000'000'000'000);
}

}  // namespace
}  // namespace trellis
