#include "corpus/text_warnings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// WikiText-2's counts.
Manifest usual() {
  Manifest manifest;
  manifest.vocabulary.words = 33'278;
  manifest.splits["train"] = {2'088'628, 54'625, {}, TextSize{10'780'437, 10'700'000}};
  manifest.splits["valid"] = {217'646, 11'716, {}, TextSize{1'120'192, 1'110'000}};
  manifest.splits["test"] = {245'569, 15'227, {}, TextSize{1'255'018, 1'250'000}};
  return manifest;
}

TEST(TextWarnings, UsualCorporaHaveNone) {
  EXPECT_THAT(text_warnings(usual()), IsEmpty());
  Manifest characters;
  characters.unit = Unit::character;
  characters.vocabulary.words = 50;
  characters.splits["train"] = {5'017'483, 0, {}, TextSize{5'017'483, 5'017'483}};
  EXPECT_THAT(text_warnings(characters), IsEmpty());
  Manifest test_alone;  // with --vocabulary
  test_alone.vocabulary.words = 33'278;
  test_alone.splits["test"] = {100, 3, {}, std::nullopt};
  EXPECT_THAT(text_warnings(test_alone), IsEmpty());
}

TEST(TextWarnings, AVocabularyOfNextToNothing) {
  Manifest manifest = usual();
  manifest.vocabulary.words = 2;
  EXPECT_THAT(text_warnings(manifest), ElementsAre(AllOf(HasSubstr("the vocabulary has 2 words"), HasSubstr("--unit char"))));
  manifest.unit = Unit::character;
  EXPECT_THAT(text_warnings(manifest), ElementsAre(HasSubstr("the vocabulary has 2 tokens")));
  manifest.vocabulary.words = 3;
  EXPECT_THAT(text_warnings(manifest), IsEmpty());
}

TEST(TextWarnings, MuchUnknownInAnySplit) {
  Manifest manifest = usual();
  manifest.splits["train"].unknown = 1'044'314;
  EXPECT_THAT(text_warnings(manifest), ElementsAre(AllOf(HasSubstr("50.0 % of the tokens of 'train' are <unk> (1044314 of 2088628)"), HasSubstr("--min-count"))));
  manifest = usual();
  manifest.splits["valid"].unknown = 25'000;
  manifest.splits["test"].unknown = 30'000;
  EXPECT_THAT(text_warnings(manifest), ElementsAre(HasSubstr("11.5 % of the tokens of 'valid'"), HasSubstr("12.2 % of the tokens of 'test'")));
}

TEST(TextWarnings, WordsThatAreNone) {
  Manifest manifest = usual();
  manifest.splits["train"].text->bytes = 2'088'628LL * 90;  // a script without blanks
  EXPECT_THAT(text_warnings(manifest), ElementsAre(HasSubstr("has 90 bytes on the average")));
  manifest = usual();
  manifest.vocabulary.words = 1'900'000;
  EXPECT_THAT(text_warnings(manifest), ElementsAre(HasSubstr("1900000 different words among 2088628 tokens")));
}

TEST(TextWarnings, NextToNoText) {
  Manifest manifest = usual();
  manifest.vocabulary.words = 60;
  manifest.splits["train"] = {400, 0, {}, TextSize{2'000, 2'000}};
  EXPECT_THAT(text_warnings(manifest), ElementsAre(HasSubstr("the training split has 400 tokens")));
}

TEST(LaneWarnings, LanesThatAreOverBeforeTheirFirstWindow) {
  EXPECT_THAT(lane_warnings("train", 2'088'628, 16, 32), IsEmpty());
  EXPECT_THAT(lane_warnings("train", 16 * 33, 16, 32), IsEmpty());
  EXPECT_THAT(lane_warnings("train", 16 * 33 - 1, 16, 32),
              ElementsAre(AllOf(HasSubstr("the 527 tokens of 'train' in 16 lanes leave 31 predictions for each, fewer than a window of 32"),
                                HasSubstr("train.lanes"))));
  EXPECT_THAT(lane_warnings("valid", 330, 16, 32), ElementsAre(AllOf(HasSubstr("leave 19 predictions"), HasSubstr("valid.lanes"))));
}

}  // namespace
}  // namespace trellis
