#include "trainer/expected_step.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

TrellisShape shape_of(std::int64_t hidden) {
  TrellisShape shape;
  shape.vocabulary = 100;
  shape.levels = 16;
  shape.hidden = hidden;
  shape.outputs = shape.embedding = hidden / 4;
  return shape;
}

TEST(ExpectedStep, IsShorterOnAFasterMachineAndInASmallerNetwork) {
  RunNumbers small, large;
  small.shape = shape_of(64), large.shape = shape_of(512);
  small.lanes = large.lanes = 8;
  small.steps = large.steps = 16;
  const double slow = expected_step_seconds(large, {}, 1, 1e9), fast = expected_step_seconds(large, {}, 1, 1e11);
  EXPECT_LT(fast, slow);
  EXPECT_LT(expected_step_seconds(small, {}, 1, 1e9), slow);
  EXPECT_GT(fast, 0);
}

TEST(ExpectedStep, OfAQuickNetworkIsNotWorthAWord) {
  Settings settings;
  settings.train.lanes = 2;
  settings.train.window = 4;
  EXPECT_FALSE(slow_step_seconds(settings, shape_of(16), {}, at::kFloat));
}

TEST(ProductFlops, AreThoseOfSomeComputer) {
  EXPECT_GT(product_flops(at::kFloat), 1e6);
  EXPECT_LT(product_flops(at::kDouble), 1e15);
}

}  // namespace
}  // namespace trellis
