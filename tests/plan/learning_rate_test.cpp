#include "plan/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

#include "base/errors.h"

namespace trellis {
namespace {

TEST(LearningRate, IsTheBaseRateWhenNothingElseIsAsked) {
  const LearningRateSchedule schedule{.base = 0.002};
  for (std::int64_t step : {0, 1, 7, 1'000'000}) EXPECT_EQ(learning_rate_at(schedule, step, step / 10, 0), 0.002);
}

TEST(LearningRate, WarmsUpLinearlyAndReachesTheBaseAtTheLastStepOfTheWarmUp) {
  const LearningRateSchedule schedule{.base = 0.8, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 0, 0, 0), 0.2);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 1, 0, 0), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 3, 0, 0), 0.8);
  EXPECT_EQ(learning_rate_at(schedule, 4, 0, 0), 0.8);
}

TEST(LearningRate, FallsAtEachMilestoneOnceThatManyEpochsAreFinished) {
  const LearningRateSchedule schedule{.base = 1, .milestones = {15, 20}, .factor = 0.5};
  EXPECT_EQ(learning_rate_at(schedule, 100, 14, 0), 1);
  EXPECT_EQ(learning_rate_at(schedule, 100, 15, 0), 0.5);
  EXPECT_EQ(learning_rate_at(schedule, 100, 19, 0), 0.5);
  EXPECT_EQ(learning_rate_at(schedule, 100, 20, 0), 0.25);
}

TEST(LearningRate, FallsOfThePlateauAndOfMilestonesMultiply) {
  const LearningRateSchedule schedule{.base = 1, .milestones = {2}, .factor = 0.25};
  EXPECT_EQ(learning_rate_at(schedule, 9, 2, 2), 1.0 / 64);
}

TEST(LearningRate, NeverFallsBelowTheFloorButAWarmUpMayStartBelowIt) {
  const LearningRateSchedule schedule{.base = 20, .warmup_steps = 1000, .factor = 0.25, .floor = 0.02};
  EXPECT_EQ(learning_rate_at(schedule, 5000, 0, 1'000'000'000'000), 0.02);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 0, 0, 0), 0.02);
  EXPECT_LT(learning_rate_at(schedule, 0, 0, 3), 0.02);
}

TEST(LearningRate, ABaseBelowTheFloorStaysAsItIs) {
  const LearningRateSchedule schedule{.base = 0.001, .floor = 0.01};
  EXPECT_EQ(learning_rate_at(schedule, 5, 0, 0), 0.001);
  EXPECT_EQ(learning_rate_at(schedule, 5, 0, 3), 0.001);
}

TEST(LearningRate, AFactorOfOneEndsAtOnceHoweverManyFalls) {
  EXPECT_EQ(learning_rate_at({.base = 3, .factor = 1}, 5, 0, std::int64_t{1} << 60), 3);
}

TEST(LearningRate, ACosineLeadsFromTheEndOfTheWarmUpToTheFloor) {
  const LearningRateSchedule schedule{.base = 0.8, .warmup_steps = 4, .floor = 0.2, .decay = RateDecay::cosine, .decay_steps = 60};
  EXPECT_EQ(learning_rate_at(schedule, 1, 0, 0), 0.4);
  EXPECT_EQ(learning_rate_at(schedule, 3, 0, 0), 0.8);
  EXPECT_EQ(learning_rate_at(schedule, 4, 0, 0), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 4 + 20, 0, 0), 0.2 + 0.6 * 0.75);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 4 + 30, 0, 0), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 4 + 40, 0, 0), 0.2 + 0.6 * 0.25);
  for (const std::int64_t step : {64, 65, 1'000'000'000}) EXPECT_EQ(learning_rate_at(schedule, step, 0, 0), 0.2);
}

TEST(LearningRate, TheCosineIsThatOfTheLibraryAndFallsAtEveryStep) {
  const LearningRateSchedule schedule{.base = 1, .decay = RateDecay::cosine, .decay_steps = 1000};
  double previous = 2;
  for (int step = 0; step <= 1000; ++step) {
    const double rate = learning_rate_at(schedule, step, 0, 0);
    EXPECT_NEAR(rate, (1 + std::cos(std::acos(-1.0) * step / 1000)) / 2, 1e-15) << step;
    EXPECT_LT(rate, previous) << step;
    previous = rate;
  }
  EXPECT_EQ(previous, 0);
}

TEST(LearningRate, AnInverseSquareRootWithTheWarmUpsLengthFallsAsTheRootOfTheStep) {
  const LearningRateSchedule schedule{.base = 1, .warmup_steps = 100, .decay = RateDecay::inverse_square_root, .decay_steps = 100};
  EXPECT_EQ(learning_rate_at(schedule, 99, 0, 0), 1);
  EXPECT_EQ(learning_rate_at(schedule, 100, 0, 0), 1);
  for (const std::int64_t step : {400, 10'000, 1'000'000}) {
    EXPECT_DOUBLE_EQ(learning_rate_at(schedule, step, 0, 0), std::sqrt(100.0 / static_cast<double>(step)));
  }
}

TEST(LearningRate, ADecayStopsAtTheFloorAndNeverLiftsABaseBelowIt) {
  for (const RateDecay decay : {RateDecay::cosine, RateDecay::inverse_square_root}) {
    EXPECT_EQ(learning_rate_at({.base = 1, .floor = 0.3, .decay = decay, .decay_steps = 10}, 1'000'000, 0, 0), 0.3);
    EXPECT_EQ(learning_rate_at({.base = 0.1, .floor = 0.3, .decay = decay, .decay_steps = 10}, 500, 0, 0), 0.1);
  }
}

TEST(LearningRate, FallsLowerWhatTheDecayStartsFrom) {
  const LearningRateSchedule schedule{.base = 1, .milestones = {1}, .factor = 0.5, .floor = 0.1, .decay = RateDecay::cosine, .decay_steps = 100};
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 50, 0, 0), 0.55);
  EXPECT_DOUBLE_EQ(learning_rate_at(schedule, 50, 1, 0), 0.3);
}

TEST(LearningRate, ADecayOverNoStepsIsRefused) {
  EXPECT_THROW(learning_rate_at({.decay = RateDecay::cosine}, 0, 0, 0), InternalError);
}

TEST(BatchFactor, IsTheRatioOfTheStepsOrItsRoot) {
  EXPECT_EQ(batch_factor(BatchRule::none, 0, 0), 1);
  EXPECT_EQ(batch_factor(BatchRule::linear, 49'152, 3'072), 16);
  EXPECT_EQ(batch_factor(BatchRule::square_root, 49'152, 3'072), 4);
  EXPECT_EQ(batch_factor(BatchRule::linear, 256, 512), 0.5);
  EXPECT_THROW(batch_factor(BatchRule::linear, 1, 0), InternalError);
  EXPECT_THROW(batch_factor(BatchRule::square_root, 0, 1), InternalError);
}

TEST(LearningRate, RefusesNegativeArguments) {
  EXPECT_THROW(learning_rate_at({}, -1, 0, 0), InternalError);
  EXPECT_THROW(learning_rate_at({}, 0, -1, 0), InternalError);
  EXPECT_THROW(learning_rate_at({}, 0, 0, -1), InternalError);
}

// The rule as the published scripts have it: loss > min(all losses before the last N), looked at before it is appended.
std::int64_t falls_by_definition(const std::vector<double>& losses, int patience) {
  std::int64_t falls = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (i <= static_cast<std::size_t>(patience)) continue;
    if (losses[i] > *std::min_element(losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(i) - patience))
      ++falls;
  }
  return falls;
}

std::vector<double> bumpy_losses() {
  std::vector<double> losses;
  for (int i = 0; i < 60; ++i) losses.push_back(5 - 0.05 * std::min(i, 30) + 0.1 * ((i * 7919) % 13));
  return losses;
}

TEST(Plateau, FollowsTheDefinitionForEveryPatience) {
  for (int patience : {1, 2, 5, 10, 59, 60, 100}) {
    PlateauState state;
    for (double loss : bumpy_losses()) observe_validation(state, loss, patience);
    EXPECT_EQ(state.falls, falls_by_definition(bumpy_losses(), patience)) << "patience " << patience;
    EXPECT_LE(state.recent.size(), static_cast<std::size_t>(patience));
  }
  EXPECT_GT(falls_by_definition(bumpy_losses(), 5), 0);
}

TEST(Plateau, SaysAtWhichValidationTheRateFalls) {
  PlateauState state;
  std::vector<bool> fell;
  for (double loss : {3.0, 2.0, 2.5, 2.4, 1.9, 2.1}) fell.push_back(observe_validation(state, loss, 2));
  // 2.4 is held against {3}, 1.9 against {3, 2}, 2.1 against {3, 2, 2.5}
  EXPECT_EQ(fell, (std::vector<bool>{false, false, false, false, false, true}));
  EXPECT_EQ(state.falls, 1);
}

TEST(Plateau, EqualLossIsNotWorse) {
  PlateauState state;
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(observe_validation(state, 2.0, 1));
}

TEST(Plateau, ResumingFromTheStoredNumbersChangesNothing) {
  const std::vector<double> losses = bumpy_losses();
  PlateauState whole;
  for (double loss : losses) observe_validation(whole, loss, 5);
  for (std::size_t cut = 0; cut <= losses.size(); cut += 3) {
    PlateauState first;
    for (std::size_t i = 0; i < cut; ++i) observe_validation(first, losses[i], 5);
    PlateauState second{.recent = first.recent, .best_before = first.best_before, .falls = first.falls};
    for (std::size_t i = cut; i < losses.size(); ++i) observe_validation(second, losses[i], 5);
    EXPECT_EQ(second, whole) << "cut after " << cut;
  }
}

TEST(Plateau, ALossThatIsNotANumberIsWorseThanAnyAndNeverTheBest) {
  PlateauState state;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  observe_validation(state, nan, 1);
  observe_validation(state, 2.0, 1);
  EXPECT_FALSE(observe_validation(state, 9.0, 1)) << "only a NaN lay before, which is no best";
  EXPECT_TRUE(observe_validation(state, nan, 1));
  EXPECT_EQ(state.best_before, 2.0);
}

TEST(Plateau, OffKeepsNothing) {
  PlateauState state;
  for (double loss : {1.0, 2.0, 3.0}) EXPECT_FALSE(observe_validation(state, loss, 0));
  EXPECT_EQ(state, PlateauState{});
}

TEST(Plateau, ASmallerPatienceAtAResumeMovesTheSurplusIntoTheBest) {
  PlateauState state;
  for (double loss : {3.0, 1.0, 2.0, 2.5}) observe_validation(state, loss, 4);
  EXPECT_TRUE(observe_validation(state, 1.5, 1));
  EXPECT_EQ(state.best_before, 1.0);
  EXPECT_EQ(state.recent, (std::vector<double>{1.5}));
}

}  // namespace
}  // namespace trellis
