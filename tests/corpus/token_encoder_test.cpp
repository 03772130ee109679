#include "corpus/token_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "corpus/text_error.h"
#include "tests/corpus/corpus_fixture.h"
#include "tests/corpus/small_vocabulary.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::uint32_t> ids_of(const TokenEncoder& encoder, const TextPiece& piece) {
  std::vector<std::uint32_t> ids;
  encoder.encode(piece, ids);
  return ids;
}

TEST(TokenEncoder, ALineIsClosedByItsNewlineOrByTheEndOfItsFile) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "b", "<eos>"});
  const Vocabulary characters = vocabulary_of(Unit::character, "ab ", {"<eos>"});
  const TokenEncoder of_words(words, Lines::end_with_eos, "the text"),
      of_characters(characters, Lines::end_with_eos, "the text");
  EXPECT_THAT(ids_of(of_words, {"a b", false}), ElementsAre(0, 1));
  EXPECT_THAT(ids_of(of_words, {"a b", true}), ElementsAre(0, 1, 2));
  EXPECT_THAT(ids_of(of_words, {"a b\n", true}), ElementsAre(0, 1, 2));
  EXPECT_THAT(ids_of(of_characters, {"b a", false}), ElementsAre(1, 2, 0));
  EXPECT_THAT(ids_of(of_characters, {"b a", true}), ElementsAre(1, 2, 0, 3));
  EXPECT_THAT(ids_of(of_characters, {"\n", false}), ElementsAre(3));
  EXPECT_THAT(ids_of(of_words, {"", true}), ElementsAre());
}

TEST(TokenEncoder, AppendsAndCountsWhatBecomesUnk) {
  const Vocabulary words = vocabulary_of(Unit::word, {"a", "<unk>"});
  const TokenEncoder encoder(words, Lines::are_whitespace, "the text");
  std::vector<std::uint32_t> ids{7};
  EXPECT_EQ(encoder.encode({"a strange\n<unk> a", false}, ids), 2);
  EXPECT_THAT(ids, ElementsAre(7, 0, 1, 1, 0));
}

TEST(TokenEncoder, NamesTheByteOfATokenThatItCannotEncode) {
  const auto offset_of_fault = [](const Vocabulary& vocabulary, std::string_view text) {
    try {
      ids_of(TokenEncoder(vocabulary, Lines::are_whitespace, "the text"), {text, false});
    } catch (const TextError& error) {
      return std::to_string(error.offset()) + ": " + error.fact();
    }
    return std::string();
  };
  std::string many;  // more than are looked up at once
  for (int i = 0; i < 100; ++i) many += "a ";
  EXPECT_EQ(offset_of_fault(vocabulary_of(Unit::word, {"a"}), many + "bad a"),
            "200: 'bad' does not occur in the text, whose vocabulary has no <unk>");
  EXPECT_EQ(offset_of_fault(vocabulary_of(Unit::word, {"a"}), "\x1B[31m"),
            "0: '\\x1b[31m' does not occur in the text, whose vocabulary has no <unk>");
  EXPECT_EQ(offset_of_fault(vocabulary_of(Unit::character, "a", {}), "aa\xC3\xA9"),
            "2: '\xC3\xA9' does not occur in the text, whose vocabulary has no <unk>");
  EXPECT_EQ(offset_of_fault(vocabulary_of(Unit::byte, "a", {}), "a\xC3\xA9"),
            "1: byte 0xc3 does not occur in the text, whose vocabulary has no <unk>");
}

TEST(TokenEncoder, RefusesVocabulariesThatDoNotFit) {
  const auto encoder_of = [](const Vocabulary& vocabulary, Lines lines) {
    return error_of([&] { const TokenEncoder encoder(vocabulary, lines, "data/x"); });
  };
  EXPECT_THAT(encoder_of(vocabulary_of(Unit::word, {"a"}), Lines::end_with_eos),
              StartsWith("65: the vocabulary has no <eos>, which is to end every line\n  where: data/x"));
  EXPECT_EQ(encoder_of(vocabulary_of(Unit::word, {"a"}), Lines::are_whitespace), "no error");
  EXPECT_THAT(encoder_of(vocabulary_of(Unit::character, {"a", "bc"}), Lines::are_whitespace),
              StartsWith("65: token 1 of the vocabulary is 'bc', expected one char"));
  EXPECT_THAT(encoder_of(vocabulary_of(Unit::byte, {"\xC3\xA9"}), Lines::are_whitespace),
              HasSubstr("expected one byte"));
}

}  // namespace
}  // namespace trellis
