#include "corpus/sequence_description.h"

#include <gtest/gtest.h>
#include <limits>

namespace trellis {
namespace {

TEST(NumberList, ReadsBackExactlyWhatItWrote) {
  for (const std::vector<double>& numbers :
       {std::vector<double>{0.1307}, {0.5, 0.5, 0.5}, {1.0 / 3, -0.0, 1e-300, std::numeric_limits<double>::max()}})
    EXPECT_EQ(numbers_from_text(numbers_text(numbers)), numbers);
  EXPECT_EQ(numbers_text(std::vector<double>{0.1307, 1, -2.5}), "0.1307,1,-2.5");
  EXPECT_EQ(numbers_from_text(".1307,1.0"), (std::vector<double>{0.1307, 1}));
}

TEST(NumberList, RefusesWhatIsNoList) {
  for (const char* text : {"", ",", "1,", ",1", "1,,2", "1, 2", "1;2", "a", "nan", "inf", "1e999", "0x1", "1 "})
    EXPECT_EQ(numbers_from_text(text), std::nullopt) << text;
}

}  // namespace
}  // namespace trellis
