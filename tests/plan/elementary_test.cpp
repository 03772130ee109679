// exp, log, cos and powers in double against the C library's in long double; their bits, which no system may change.
#include "plan/elementary.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "plan/random.h"

namespace trellis {
namespace {

double units(double got, long double exact) {
  if (exact == 0) return got == 0 ? 0 : std::numeric_limits<double>::infinity();
  return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / std::ldexp(1.0L, std::max(std::ilogb(exact), -1022) - 52));
}

TEST(Elementary, ExpAndLogAreWithinTheStatedError) {
  const RandomStream stream{.seed = 4};
  for (std::uint64_t n = 0; n < 200'000; ++n) {
    const double x = 1400 * (stream.uniform(n) - 0.5), small = stream.uniform(n);
    ASSERT_LE(units(exponential(x), std::exp(static_cast<long double>(x))), 1.1) << x;
    ASSERT_LE(units(exponential(small), std::exp(static_cast<long double>(small))), 1.1) << small;
    ASSERT_LE(units(logarithm(small), std::log(static_cast<long double>(small))), 0.9) << small;
  }
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(exponential(1000), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(exponential(std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(logarithm(0), -std::numeric_limits<double>::infinity());
}

TEST(Elementary, CosineOfTurnsIsWithinTheStatedErrorAndExactAtQuarters) {
  const RandomStream stream{.seed = 5};
  double worst = 0;
  for (std::uint64_t n = 0; n < 200'000; ++n) {
    const double turns = stream.word(n) / 4294967296.0;
    // by the distance to the nearest quarter, which is exact, so that zeros are right too
    const int quarters = static_cast<int>(std::lround(4 * turns));
    const long double angle = 2 * std::numbers::pi_v<long double> * (static_cast<long double>(turns) - 0.25L * quarters);
    const long double parts[] = {std::cos(angle), -std::sin(angle), -std::cos(angle), std::sin(angle)};
    worst = std::max(worst, units(cosine_of_turns(turns), parts[quarters % 4]));
  }
  EXPECT_LE(worst, 2);
  EXPECT_GT(worst, 0.5);
  for (const auto& [turns, expected] : {std::pair{0.0, 1.0}, {0.25, 0.0}, {0.5, -1.0}, {0.75, 0.0}, {1.0, 1.0}}) {
    EXPECT_EQ(cosine_of_turns(turns), expected) << turns;
    EXPECT_EQ(cosine_of_turns(-turns), expected) << turns;
  }
}

TEST(Elementary, WholePowersAreRoundedCorrectly) {
  for (const double base : {0.9, 0.99, 0.999, 0.9999, 0.5, 0.123}) {
    for (const std::int64_t exponent : {0, 1, 2, 3, 10, 57, 100, 999, 1'000, 5'000, 20'000}) {
      const long double exact = std::pow(static_cast<long double>(base), static_cast<long double>(exponent));
      if (exact < 1e-290L) continue;
      EXPECT_LE(units(whole_power(base, exponent), exact), 0.502) << base << "^" << exponent;
    }
  }
  EXPECT_EQ(whole_power(0.999, 100'000'000), 0);
  EXPECT_EQ(whole_power(1, std::numeric_limits<std::int64_t>::max()), 1);
  EXPECT_EQ(whole_power(0, 5), 0);
  EXPECT_EQ(whole_power(0, 0), 1);
}

TEST(Elementary, BitsAreTheSameOnEverySystem) {
  std::uint64_t digest = 0xcbf29ce484222325u;
  const auto add = [&](double value) { digest = (digest ^ std::bit_cast<std::uint64_t>(value)) * 0x100000001b3u; };
  const RandomStream stream{.seed = 6};
  for (std::uint64_t n = 0; n < 10'000; ++n) {
    add(exponential(200 * (stream.uniform(n) - 0.5)));
    add(logarithm(stream.uniform(n)));
    add(cosine_of_turns(stream.word(n) / 4294967296.0));
    add(whole_power(0.5 + 0.5 * stream.uniform(n), static_cast<std::int64_t>(n)));
    add(stream.normal(n));
  }
  EXPECT_EQ(fmt::format("{:#x}", digest), "0x4c6d8d684488713e");
}

}  // namespace
}  // namespace trellis
