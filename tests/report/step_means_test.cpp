#include "report/step_means.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace trellis {
namespace {

TEST(StepMeans, OfOneStepAreItsNumbersToTheLastBit) {
  StepMeans means;
  means.add({.loss_nats = 0.1 + 0.2, .accuracy = 1.0 / 3, .auxiliary_loss = 0.7, .gradient_norm = 1e-300}, 97);
  EXPECT_EQ(means.means().loss_nats, 0.1 + 0.2);
  EXPECT_EQ(means.means().accuracy, 1.0 / 3);
  EXPECT_EQ(means.means().auxiliary_loss, 0.7);
  EXPECT_EQ(means.means().gradient_norm, 1e-300);
  EXPECT_EQ(means.largest_gradient_norm(), 1e-300);
  EXPECT_EQ(means.steps(), 1);
  EXPECT_EQ(means.scored(), 97);
}

TEST(StepMeans, WeighLossesByWhatWasScoredAndNormsByStep) {
  StepMeans means;
  means.add({.loss_nats = 8, .accuracy = 0.25, .auxiliary_loss = 4, .gradient_norm = 3}, 300);
  means.add({.loss_nats = 4, .accuracy = 0.75, .auxiliary_loss = 8, .gradient_norm = 1}, 100);
  EXPECT_DOUBLE_EQ(means.means().loss_nats, 7);
  EXPECT_DOUBLE_EQ(*means.means().accuracy, 0.375);
  EXPECT_DOUBLE_EQ(*means.means().auxiliary_loss, 5);
  EXPECT_DOUBLE_EQ(means.means().gradient_norm, 2);
  EXPECT_EQ(means.largest_gradient_norm(), 3);
  EXPECT_EQ(means.scored(), 400);
}

TEST(StepMeans, LeaveOutWhatARunDoesNotHave) {
  StepMeans means;
  means.add({.loss_nats = 1}, 1);
  means.add({.loss_nats = 2}, 1);
  EXPECT_FALSE(means.means().accuracy);
  EXPECT_FALSE(means.means().auxiliary_loss);
}

TEST(StepMeans, StayDefinedWhereNothingWasScored) {
  StepMeans means;
  means.add({.loss_nats = 5}, 0);
  EXPECT_EQ(means.means().loss_nats, 5);
  means.add({.loss_nats = 3}, 10);
  EXPECT_EQ(means.means().loss_nats, 3);
}

TEST(StepMeans, DoNotHideANormThatIsNoNumber) {
  StepMeans means;
  means.add({.gradient_norm = 1}, 1);
  means.add({.gradient_norm = std::numeric_limits<double>::quiet_NaN()}, 1);
  EXPECT_TRUE(std::isnan(means.largest_gradient_norm()));
  EXPECT_TRUE(std::isnan(means.means().gradient_norm));
}

TEST(RunningMeans, AreAPlainMeanAtFirstAndForgetThen) {
  RunningMeans means(4);
  for (const double loss : {4.0, 2.0}) means.add({.loss_nats = loss});
  EXPECT_DOUBLE_EQ(means.means().loss_nats, 3);
  for (int n = 0; n < 60; ++n) means.add({.loss_nats = 1});
  EXPECT_NEAR(means.means().loss_nats, 1, 1e-6);
}

}  // namespace
}  // namespace trellis
