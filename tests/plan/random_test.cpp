#include "plan/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace trellis {
namespace {

// Known answers of the authors' Random123 (kat_vectors, philox4x32 10).
TEST(RandomStream, MatchesThePublishedKnownAnswers) {
  const RandomStream zero{.seed = 0, .window = 0, .purpose = static_cast<Purpose>(0), .part = 0};
  EXPECT_EQ(zero.block(0), (std::array<std::uint32_t, 4>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  const RandomStream ones{
      .seed = ~std::uint64_t{0}, .window = ~std::uint64_t{0}, .purpose = static_cast<Purpose>(0xff), .part = 0xffff};
  EXPECT_EQ(ones.block((std::uint64_t{1} << 40) - 1),
            (std::array<std::uint32_t, 4>{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
}

TEST(RandomStream, WordsAreTheBlocksInOrder) {
  const RandomStream stream{.seed = 3, .window = 5, .purpose = Purpose::hidden};
  for (std::uint64_t i = 0; i < 23; ++i) EXPECT_EQ(stream.word(i), stream.block(i / 4)[i % 4]);
}

TEST(RandomStream, DiffersByEveryPartOfItsAddress) {
  std::set<std::uint32_t> words;
  int drawn = 0;
  for (std::uint64_t seed : {1, 2})
    for (std::uint64_t window : {0, 1})
      for (Purpose purpose : {Purpose::input, Purpose::hidden, Purpose::output})
        for (std::uint16_t part : {0, 1})
          for (std::uint64_t index : {0, 4, 5}) {
            words.insert(RandomStream{seed, window, purpose, part}.word(index));
            ++drawn;
          }
  EXPECT_EQ(static_cast<int>(words.size()), drawn);
}

TEST(RandomStream, NormalsHaveUnitVarianceAndUniformsStayInside) {
  const RandomStream stream{.seed = 9, .window = name_hash("W2"), .purpose = Purpose::initial_value};
  double sum = 0, squares = 0, cubes = 0;
  const int n = 200000;
  for (int i = 0; i < n; ++i) {
    const double x = stream.normal(static_cast<std::uint64_t>(i));
    sum += x, squares += x * x, cubes += x * x * x;
    const double u = stream.uniform(static_cast<std::uint64_t>(i));
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
  }
  EXPECT_NEAR(sum / n, 0.0, 0.01);
  EXPECT_NEAR(squares / n, 1.0, 0.015);
  EXPECT_NEAR(cubes / n, 0.0, 0.03);
}

TEST(DropoutThreshold, DropsTheStatedShare) {
  EXPECT_EQ(dropout_threshold(0.0), 0u);
  EXPECT_EQ(dropout_threshold(0.5), std::uint64_t{1} << 31);
  const RandomStream stream{.seed = 1, .window = 0, .purpose = Purpose::hidden};
  int dropped = 0;
  for (std::uint64_t i = 0; i < 100000; ++i) dropped += stream.word(i) < dropout_threshold(0.3);
  EXPECT_NEAR(dropped / 100000.0, 0.3, 0.005);
}

}  // namespace
}  // namespace trellis
