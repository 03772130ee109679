#include "predict/body_cost.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

StackTiming timing_under(const BodyCost& cost, std::int64_t levels, std::int64_t rows, std::int64_t chunks) {
  const auto L = static_cast<double>(levels), n = static_cast<double>(rows);
  const auto seconds = [&](double units) { return units * (cost.unit + L * cost.unit_level) + n * (cost.row + L * cost.row_level); };
  return {.levels = levels,
          .rows = rows,
          .chunks = chunks,
          .whole = seconds(1),
          .cut = seconds(static_cast<double>(chunks)),
          .window = n * L * cost.window_row_level};
}

TEST(BodyCost, IsFoundAgainFromItsTimings) {
  const BodyCost cost{.unit = 1e-4, .unit_level = 3e-5, .row = 2e-7, .row_level = 5e-6, .window_row_level = 2e-6};
  const BodyCost found = body_cost_from(timing_under(cost, 1, 1000, 8), timing_under(cost, 4, 1000, 8));
  EXPECT_NEAR(found.unit, cost.unit, 1e-9);
  EXPECT_NEAR(found.unit_level, cost.unit_level, 1e-10);
  EXPECT_NEAR(found.row, cost.row, 1e-12);
  EXPECT_NEAR(found.row_level, cost.row_level, 1e-11);
  EXPECT_NEAR(found.window_row_level, cost.window_row_level, 1e-12);
}

// Noise that would make a cost negative: none is, and the larger stack takes as long as was measured.
TEST(BodyCost, IsNeverNegativeAndMeetsTheLargerStack) {
  for (const double noise : {-0.5, -0.1, 0.0, 0.3, 2.0})
    for (const double other : {-0.5, 0.0, 0.5}) {
      const StackTiming few{.levels = 1, .rows = 100, .chunks = 4, .whole = 1 + noise, .cut = 1 + other, .window = -0.1};
      const StackTiming many{.levels = 3, .rows = 100, .chunks = 4, .whole = 2, .cut = 2 + other, .window = 0.6};
      const BodyCost cost = body_cost_from(few, many);
      for (const double value : {cost.unit, cost.unit_level, cost.row, cost.row_level, cost.window_row_level}) EXPECT_GE(value, 0);
      EXPECT_NEAR(cost.unit + 3 * cost.unit_level + 100 * (cost.row + 3 * cost.row_level), 2, 1e-12);
      EXPECT_NEAR(cost.window_row_level, 0.002, 1e-12);
    }
}

}  // namespace
}  // namespace trellis
