#include "plan/shuffle.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <numeric>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::ElementsAre;

TEST(RandomPermutation, HoldsEveryNumberOnce) {
  for (const std::int64_t count : {0, 1, 2, 7, 1000, 60'000})
    for (const Purpose purpose : {Purpose::permutation, Purpose::shuffle}) {
      std::vector<std::int64_t> order = random_permutation(count, 5, 3, purpose), all(order.size());
      ASSERT_EQ(static_cast<std::int64_t>(order.size()), count);
      std::sort(order.begin(), order.end());
      std::iota(all.begin(), all.end(), 0);
      EXPECT_EQ(order, all);
    }
}

TEST(RandomPermutation, IsAFunctionOfSeedNumberAndPurpose) {
  const auto order = random_permutation(1000, 1, 2, Purpose::shuffle);
  EXPECT_EQ(order, random_permutation(1000, 1, 2, Purpose::shuffle));
  EXPECT_NE(order, random_permutation(1000, 2, 2, Purpose::shuffle));
  EXPECT_NE(order, random_permutation(1000, 1, 3, Purpose::shuffle));
  EXPECT_NE(order, random_permutation(1000, 1, 2, Purpose::permutation));
}

// Runs must stay reproducible: these numbers come from a program that shares nothing with this one but the definition.
TEST(RandomPermutation, NeverChanges) {
  EXPECT_THAT(random_permutation(10, 1, 0, Purpose::permutation), ElementsAre(1, 6, 0, 4, 8, 9, 7, 3, 2, 5));
  EXPECT_THAT(random_permutation(10, 1, 0, Purpose::shuffle), ElementsAre(7, 6, 4, 1, 8, 9, 0, 5, 2, 3));
  EXPECT_THAT(random_permutation(10, 0x123456789abcdef, 7, Purpose::shuffle),
              ElementsAre(7, 6, 1, 5, 2, 9, 8, 0, 4, 3));
  const auto pixels = random_permutation(784, 1, 0, Purpose::permutation);
  EXPECT_THAT(std::vector(pixels.begin(), pixels.begin() + 5), ElementsAre(327, 235, 395, 635, 273));
  EXPECT_THAT(std::vector(pixels.end() - 5, pixels.end()), ElementsAre(731, 424, 338, 223, 428));
  std::uint64_t hash = 0;  // over a permutation so long that some draws are left out
  for (const std::int64_t number : random_permutation(1'000'000, 1, 0, Purpose::shuffle))
    hash = hash * 31 + static_cast<std::uint64_t>(number);
  EXPECT_EQ(hash, 0x78fbbde20f441812U);
}

// Chi-square over all 24 orders of 4 numbers: 23 degrees of freedom, above 49.7 once in a thousand.
TEST(RandomPermutation, GivesEveryOrderEquallyOften) {
  std::map<std::vector<std::int64_t>, int> seen;
  const int drawn = 48'000;
  for (int number = 0; number < drawn; ++number)
    ++seen[random_permutation(4, 11, static_cast<std::uint64_t>(number), Purpose::shuffle)];
  ASSERT_EQ(seen.size(), 24U);
  const double expected = drawn / 24.0;
  double chi_square = 0;
  for (const auto& [order, times] : seen) chi_square += (times - expected) * (times - expected) / expected;
  EXPECT_LT(chi_square, 49.7);
}

// The same for where each number of a longer permutation goes: 99 degrees of freedom, above 148.2 once in a thousand.
TEST(RandomPermutation, SendsEveryNumberEverywhereEquallyOften) {
  std::vector<std::vector<int>> seen(100, std::vector<int>(100, 0));
  const int drawn = 10'000;
  for (int number = 0; number < drawn; ++number) {
    const auto order = random_permutation(100, 12, static_cast<std::uint64_t>(number), Purpose::shuffle);
    for (std::size_t place = 0; place < 100; ++place) ++seen[place][static_cast<std::size_t>(order[place])];
  }
  for (const std::size_t place : {0, 1, 50, 98, 99}) {
    double chi_square = 0;
    for (const int times : seen[place]) chi_square += (times - 100.0) * (times - 100.0) / 100.0;
    EXPECT_LT(chi_square, 148.2) << place;
  }
}

TEST(RandomPermutation, RefusesImpossibleCounts) {
  EXPECT_THROW(random_permutation(-1, 1, 0, Purpose::shuffle), InternalError);
  EXPECT_THROW(random_permutation(std::int64_t{1} << 32, 1, 0, Purpose::shuffle), InternalError);
}

}  // namespace
}  // namespace trellis
