#include "corpus/text_bits.h"

#include <gtest/gtest.h>

#include <numbers>

namespace trellis {
namespace {

TEST(TextBits, AreThoseOfATokenTimesTokensACharacter) {
  const SplitEntry split{1'000, 0, {}, TextSize{5'500, 5'000}};
  const auto each = text_bits(10 * std::numbers::ln2, split);  // 10 bits a token
  ASSERT_EQ(each.size(), 2U);
  EXPECT_EQ(each[0].unit, "character");
  EXPECT_DOUBLE_EQ(each[0].bits, 2);
  EXPECT_EQ(each[1].unit, "byte");
  EXPECT_DOUBLE_EQ(each[1].bits, 10'000.0 / 5'500);
}

TEST(TextBits, AreNotToldOfTextThatWasNotCounted) {
  EXPECT_TRUE(text_bits(1, {1'000, 0, {}, std::nullopt}).empty());
  const auto bytes = text_bits(std::numbers::ln2, {1'000, 0, {}, TextSize{1'000, std::nullopt}});
  ASSERT_EQ(bytes.size(), 1U);
  EXPECT_EQ(bytes[0].unit, "byte");
  EXPECT_DOUBLE_EQ(bytes[0].bits, 1);
}

TEST(TextBits, UnknownShareIsOfAllTokens) { EXPECT_DOUBLE_EQ(unknown_share({1'000, 62, {}, std::nullopt}), 0.062); }

}  // namespace
}  // namespace trellis
