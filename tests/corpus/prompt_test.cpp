#include "corpus/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/corpus_fixture.h"
#include "tests/corpus/small_vocabulary.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

std::vector<std::int64_t> ids_of(const Vocabulary& vocabulary, Lines lines, std::string_view prompt) {
  return encode_prompt(TokenEncoder(vocabulary, lines, "the training text"), prompt, "prompt");
}
std::string refusal_of(const Vocabulary& vocabulary, Lines lines, std::string_view prompt) {
  return error_of([&] { ids_of(vocabulary, lines, prompt); });
}

TEST(Prompt, AnOpenLastLineStaysOpen) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "b", "<eos>", "<unk>"});
  EXPECT_THAT(ids_of(words, Lines::end_with_eos, "a b"), ElementsAre(0, 1));
  EXPECT_THAT(ids_of(words, Lines::end_with_eos, "a b "), ElementsAre(0, 1));
  EXPECT_THAT(ids_of(words, Lines::end_with_eos, "a\n\nb\r\n"), ElementsAre(0, 2, 2, 1, 2));
  EXPECT_THAT(ids_of(words, Lines::are_whitespace, "a\n\nb\n"), ElementsAre(0, 1));
  EXPECT_THAT(ids_of(words, Lines::end_with_eos, ""), IsEmpty());
  EXPECT_THAT(ids_of(words, Lines::end_with_eos, " \t"), IsEmpty());
}

TEST(Prompt, SpecialTokensSpelledInItAreThemselvesForWordsOnly) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "<eos>", "<unk>"});
  EXPECT_THAT(ids_of(words, Lines::end_with_eos, "<eos> a <unk> strange"), ElementsAre(1, 0, 2, 2));
  const Vocabulary characters = vocabulary_of(Unit::character, "<eos>", {"<eos>"});
  EXPECT_THAT(ids_of(characters, Lines::end_with_eos, "<eos>\n"), ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(Prompt, CharactersAndBytesAreTakenAsTheyAre) {
  const Vocabulary characters = vocabulary_of(Unit::character, {"a", "\xC3\xA9", " ", "\n", "<unk>"});
  EXPECT_THAT(ids_of(characters, Lines::are_whitespace, "\xC3\xA9 \na\xF0\x9F\x98\x80"), ElementsAre(1, 2, 3, 0, 4));
  const Vocabulary bytes = vocabulary_of(Unit::byte, {"a", "\xC3", "\xFF", "<eos>"});
  EXPECT_THAT(ids_of(bytes, Lines::end_with_eos, "\xFF\xC3\na"), ElementsAre(2, 1, 3, 0));
}

TEST(Prompt, AByteOrderMarkIsNoText) {
  const Vocabulary characters = vocabulary_of(Unit::character, {"a", "<unk>"});
  EXPECT_THAT(ids_of(characters, Lines::are_whitespace,
                     "\xEF\xBB\xBF"
                     "a\xEF\xBB\xBF"),
              ElementsAre(0, 1));
  const Vocabulary bytes = vocabulary_of(Unit::byte, {"\xEF", "\xBB", "\xBF"});
  EXPECT_THAT(ids_of(bytes, Lines::are_whitespace, "\xEF\xBB\xBF"), ElementsAre(0, 1, 2));
}

TEST(Prompt, AnUnseenTokenWithoutUnkIsNamedWithItsLine) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "<eos>"});
  EXPECT_EQ(refusal_of(words, Lines::end_with_eos, "a\na strange a"),
            "65: 'strange' does not occur in the training text, whose vocabulary has no <unk>\n"
            "  where: prompt, line 2\n"
            "  fix:   leave it out, or take another word");
  const Vocabulary bytes = vocabulary_of(Unit::byte, {"a", "\n"});
  EXPECT_THAT(refusal_of(bytes, Lines::are_whitespace, "\n\n\xFF"),
              StartsWith("65: byte 0xff does not occur in the training text, whose vocabulary has no <unk>\n"
                         "  where: prompt, line 3\n"));
}

TEST(Prompt, InvalidUtf8IsNamedByItsByte) {
  for (const Unit unit : {Unit::word, Unit::character}) {
    const Vocabulary vocabulary = vocabulary_of(unit, {"<unk>", "<eos>"});
    EXPECT_EQ(refusal_of(vocabulary, Lines::end_with_eos, "a\nb \xC3"),
              "65: invalid UTF-8: byte 0xc3\n  where: prompt, byte 4, line 2\n  fix:   give it in UTF-8");
    EXPECT_THAT(refusal_of(vocabulary, Lines::end_with_eos,
                           "\xEF\xBB\xBF"
                           "a\xFF"),
                StartsWith("65: invalid UTF-8: byte 0xff\n  where: prompt, byte 4, line 1\n"));
  }
}

}  // namespace
}  // namespace trellis
