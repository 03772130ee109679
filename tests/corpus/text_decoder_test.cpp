#include "corpus/text_decoder.h"

#include <gtest/gtest.h>
#include <span>

#include "corpus/prompt.h"
#include "tests/corpus/corpus_fixture.h"
#include "tests/corpus/small_vocabulary.h"

namespace trellis {
namespace {

using namespace testing_support;
using Ids = std::vector<std::int64_t>;

std::string decoded(const Vocabulary& vocabulary, Lines lines, std::span<const std::int64_t> ids,
                    std::string_view before = {}) {
  TextDecoder decoder(vocabulary, lines, before);
  std::string text;
  for (const std::int64_t id : ids) text += decoder.append(id);
  return text;
}
std::string decoded(const Vocabulary& vocabulary, Lines lines, const Ids& ids, std::string_view before = {}) {
  return decoded(vocabulary, lines, std::span(ids), before);
}
Ids encoded(const Vocabulary& vocabulary, Lines lines, std::string_view text) {
  return encode_prompt(TokenEncoder(vocabulary, lines, "the text"), text, "text");
}

TEST(TextDecoder, SetsWordsApartByOneBlankButNotAtTheEdgesOfLines) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "b", "<eos>", "<unk>"});
  EXPECT_EQ(decoded(words, Lines::end_with_eos, Ids{0, 1, 2, 2, 1, 3, 2, 0}), "a b\n\nb <unk>\na");
  TextDecoder stream(words, Lines::end_with_eos);
  EXPECT_EQ(stream.append(0), "a");
  EXPECT_EQ(stream.append(1), " b");
  EXPECT_EQ(stream.append(2), "\n");
  EXPECT_EQ(stream.append(2), "\n");
  EXPECT_EQ(stream.append(1), "b");
}

TEST(TextDecoder, GoesOnBehindAPromptWhetherOrNotItEndsInWhitespace) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "<eos>"});
  EXPECT_EQ(decoded(words, Lines::end_with_eos, Ids{0, 0}, ""), "a a");
  EXPECT_EQ(decoded(words, Lines::end_with_eos, Ids{0, 0}, "b"), " a a");
  EXPECT_EQ(decoded(words, Lines::end_with_eos, Ids{0, 0}, "b "), "a a");
  EXPECT_EQ(decoded(words, Lines::end_with_eos, Ids{0, 0}, "b\n"), "a a");
  EXPECT_EQ(decoded(words, Lines::end_with_eos, Ids{1, 0}, "b"), "\na");
  const Vocabulary bytes = vocabulary_of(Unit::byte, {"a", "<eos>"});
  EXPECT_EQ(decoded(bytes, Lines::end_with_eos, Ids{0, 0}, "b"), "aa");
}

TEST(TextDecoder, WithoutEosItIsAWordLikeOthers) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "<eos>"});
  EXPECT_EQ(decoded(words, Lines::are_whitespace, Ids{0, 1, 0}), "a <eos> a");
}

TEST(TextDecoder, WritesCharactersAndBytesAsTheyAre) {
  const Vocabulary characters = vocabulary_of(Unit::character, {"\xC3\xA9", " ", "\n", "<unk>"});
  EXPECT_EQ(decoded(characters, Lines::are_whitespace, Ids{0, 1, 2, 0, 3, 0}), "\xC3\xA9 \n\xC3\xA9<unk>\xC3\xA9");
  const Vocabulary bytes = vocabulary_of(Unit::byte, {"\xC3", std::string(1, '\0'), "<eos>"});
  EXPECT_EQ(decoded(bytes, Lines::end_with_eos, Ids{0, 0, 1, 2, 1}), std::string("\xC3\xC3\0\n\0", 5));
}

TEST(TextDecoder, AnIdOutsideTheVocabularyIsAFault) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a"});
  for (const std::int64_t id : {-1, 1})
    EXPECT_THROW(TextDecoder(words, Lines::are_whitespace).append(id), InternalError);
}

struct Case {
  const char* name;
  Unit unit;
  Lines lines;
};
class TextAndIds : public testing::TestWithParam<Case> {
 protected:
  const Unit unit_ = GetParam().unit;
  const Lines lines_ = GetParam().lines;

  // Every byte, or code points of every length, or words of them; and how a line ends.
  Vocabulary vocabulary() const {
    std::vector<std::string> tokens;
    if (unit_ == Unit::byte) {
      for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
    } else {
      for (const std::uint32_t point : {0x0U, 0x9U, 0xAU, 0xDU, 0x20U, 0x3CU, 0x41U, 0x7FU, 0x80U, 0xA0U, 0xE9U, 0x7FFU,
                                        0x800U, 0x2003U, 0xFFFDU, 0xFFFFU, 0x10000U, 0x1F600U, 0x10FFFFU})
        tokens.push_back(symbol_bytes(point, Unit::character));
    }
    if (unit_ == Unit::word) {
      std::erase_if(tokens, [](const std::string& token) { return is_space(token[0]); });
      for (std::size_t i = tokens.size(); i-- > 0;) tokens.push_back(tokens[i] + tokens[i / 2]);
      tokens.emplace_back(kUnknown);
    } else if (lines_ == Lines::end_with_eos) {
      std::erase(tokens, "\n");
    }
    if (lines_ == Lines::end_with_eos || unit_ == Unit::word) tokens.emplace_back(kEndOfLine);
    return vocabulary_of(unit_, tokens);
  }
};

TEST_P(TextAndIds, IdsSurviveDecodingAndEncodingFromEveryPlaceOn) {
  const Vocabulary tokens = vocabulary();
  const auto below = static_cast<std::uint32_t>(tokens.size());
  for (std::size_t length = 0; length < 120; ++length) {
    Ids ids;
    for (const std::uint32_t id : some_ids(3 * length, below)) ids.push_back(id);
    ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(2 * length));  // another stretch for every length
    const std::string text = decoded(tokens, lines_, ids);
    ASSERT_EQ(encoded(tokens, lines_, text), ids) << length;
    for (std::size_t cut = 0; cut <= length; ++cut) {  // as a prompt and what is generated behind it
      const std::string prompt = decoded(tokens, lines_, std::span(ids).first(cut));
      ASSERT_EQ(prompt + decoded(tokens, lines_, std::span(ids).subspan(cut), prompt), text) << cut << " of " << length;
    }
  }
}

TEST_P(TextAndIds, TextOfSingleBlanksSurvivesEncodingAndDecoding) {
  const Vocabulary tokens = vocabulary();
  const bool has_newlines = unit_ != Unit::word || lines_ == Lines::end_with_eos;
  for (std::size_t length = 0; length < 120; ++length) {
    const std::vector<std::uint32_t> choices = some_ids(2 * length, 1000);
    std::string text;
    for (std::size_t i = length; i < choices.size(); ++i) {  // another stretch for every length
      if (has_newlines && choices[i] % 5 == 0) {
        text += '\n';
        continue;
      }
      const std::string_view word = tokens[choices[i] % tokens.size()];
      if (word == kEndOfLine || word == kUnknown || is_space(word[0])) continue;
      if (!text.empty() && text.back() != '\n') text += ' ';
      text += word;
    }
    ASSERT_EQ(decoded(tokens, lines_, encoded(tokens, lines_, text)), text) << length;
  }
}

INSTANTIATE_TEST_SUITE_P(Units, TextAndIds,
                         testing::Values(Case{"words", Unit::word, Lines::end_with_eos},
                                         Case{"words_no_eos", Unit::word, Lines::are_whitespace},
                                         Case{"chars", Unit::character, Lines::end_with_eos},
                                         Case{"chars_no_eos", Unit::character, Lines::are_whitespace},
                                         Case{"bytes", Unit::byte, Lines::end_with_eos},
                                         Case{"bytes_no_eos", Unit::byte, Lines::are_whitespace}),
                         [](const testing::TestParamInfo<Case>& tested) { return tested.param.name; });

}  // namespace
}  // namespace trellis
