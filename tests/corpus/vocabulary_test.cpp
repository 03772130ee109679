#include "corpus/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "hdf5/flat_file.h"
#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;

TEST(ContentHash, GivesTheKnownHashOfNothingWhateverThePieces) {
  EXPECT_EQ(ContentHash().hex(), "99aa06d3014798d86001c324468d497f");
  ContentHash whole, pieces;
  whole.add("a trellis network");
  pieces.add("a trellis");
  pieces.add(" network");
  EXPECT_EQ(whole.hex(), pieces.hex());
  EXPECT_TRUE(is_hash(whole.hex()));
  EXPECT_FALSE(is_hash("99AA06d3014798d86001c324468d497f"));
  EXPECT_FALSE(is_hash("99aa"));
}

TEST(Vocabulary, FallsWithTheCountAndBreaksTiesByBytes) {
  const Vocabulary vocabulary(Unit::word, {{"b", 2}, {"\xC3\xA9", 5}, {"a", 2}, {"z", 5}, {"ab", 2}, {"c", 9}});
  std::vector<std::string> words;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) words.emplace_back(vocabulary[id]);
  EXPECT_THAT(words, testing::ElementsAre("c", "z", "\xC3\xA9", "a", "ab", "b"));
  EXPECT_EQ(vocabulary.count(2), 5U);
  EXPECT_EQ(vocabulary.find("ab"), 4);
  EXPECT_EQ(vocabulary.find("abc"), std::nullopt);
}

TEST(Vocabulary, HashesTheMeaningOfIdsNotTheirCounts) {
  const Vocabulary a(Unit::word, {{"a", 3}, {"bc", 2}}), counts(Unit::word, {{"a", 30}, {"bc", 20}}),
      order(Unit::word, {{"a", 2}, {"bc", 3}}), boundary(Unit::word, {{"ab", 3}, {"c", 2}});
  EXPECT_EQ(a.hash(), counts.hash());
  EXPECT_NE(a.hash(), order.hash());
  EXPECT_NE(a.hash(), boundary.hash());
}

TEST(Vocabulary, ReadsBackWhatWasWritten) {
  const TemporaryDirectory directory;
  const std::string nul("\0", 1);
  const Vocabulary written(Unit::character, {{nul, 7}, {"<eos>", 7}, {"\n", 1}});
  write_vocabulary(directory / "v.h5", written);
  const Vocabulary read = read_vocabulary(directory / "v.h5");
  EXPECT_EQ(read.unit(), Unit::character);
  ASSERT_EQ(read.size(), 3);
  EXPECT_EQ(read[0], nul);
  EXPECT_EQ(read.counts(), written.counts());
  EXPECT_EQ(read.hash(), written.hash());
}

struct RawVocabulary {
  std::string bytes = "abc";
  std::vector<std::uint64_t> offsets{0, 1, 2, 3}, counts{9, 8, 7};
  FlatAttributes attributes{{"format", "trellis-vocabulary"}, {"format_version", "1"}, {"unit", "word"}};
};

std::string reading(const RawVocabulary& raw) {
  const TemporaryDirectory directory;
  std::vector<FlatDataset> datasets{{"word_bytes", Element::u8, static_cast<std::int64_t>(raw.bytes.size())},
                                    {"word_offsets", Element::u64, static_cast<std::int64_t>(raw.offsets.size())},
                                    {"counts", Element::u64, static_cast<std::int64_t>(raw.counts.size())}};
  create_flat_file(directory / "v.h5", datasets, raw.attributes);
  {
    const File file = File::open_to_write(directory / "v.h5");
    file.write_at(datasets[0].offset, std::as_bytes(std::span(raw.bytes)));
    file.write_at(datasets[1].offset, std::as_bytes(std::span(raw.offsets)));
    file.write_at(datasets[2].offset, std::as_bytes(std::span(raw.counts)));
  }
  return error_of([&] { read_vocabulary(directory / "v.h5"); });
}

TEST(Vocabulary, RefusesFilesThatCannotBeRight) {
  EXPECT_EQ(reading({}), "no error");
  RawVocabulary raw;
  raw.offsets = {0, 2, 1, 3};
  EXPECT_THAT(reading(raw), HasSubstr("65: /word_offsets[2] is 1, expected more than 2 and at most 3"));
  raw = {};
  raw.offsets = {0, ~0ULL, 2, 3};
  EXPECT_THAT(reading(raw), HasSubstr("/word_offsets[1] is 18446744073709551615"));
  raw = {};
  raw.offsets = {0, 1, 2, 4};
  EXPECT_THAT(reading(raw), HasSubstr("/word_offsets runs from 0 to 4, expected 0 to 3"));
  raw = {};
  raw.offsets = {0, 3};
  EXPECT_THAT(reading(raw), HasSubstr("/word_offsets has 2 elements, expected 4"));
  raw = {};
  raw.counts = {9, 7, 8};
  EXPECT_THAT(reading(raw), HasSubstr("words 1 and 2 are not in falling order of count"));
  raw = {};
  raw.bytes = "aba";
  EXPECT_THAT(reading(raw), HasSubstr("word 2 occurs twice"));
  raw = {};
  raw.bytes = std::string(65'537, 'a') + "bc";
  raw.offsets = {0, 65'537, 65'538, 65'539};
  EXPECT_THAT(reading(raw), HasSubstr("word 0 has 65537 bytes, a word has at most 65536"));
  raw = {};
  raw.bytes = "aéz";
  raw.offsets = {0, 1, 3, 4};
  raw.attributes["unit"] = "char";
  EXPECT_EQ(reading(raw), "no error");
  raw.attributes["unit"] = "byte";
  EXPECT_THAT(reading(raw), HasSubstr("word 1 has 2 bytes, a byte has at most 1"));
  raw = {};
  raw.attributes["unit"] = "morpheme";
  EXPECT_THAT(reading(raw), HasSubstr("unit is 'morpheme', expected word, char or byte"));
  raw = {};
  raw.attributes["format_version"] = "2";
  EXPECT_THAT(reading(raw), HasSubstr("format version is '2', this program reads 1"));
  raw = {};
  raw.attributes["format"] = "trellis-shard";
  EXPECT_THAT(reading(raw), HasSubstr("format is 'trellis-shard', expected 'trellis-vocabulary'"));
}

}  // namespace
}  // namespace trellis
