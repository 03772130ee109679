#include "preprocessing/text_corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/preprocessing/text_corpus_fixture.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(TextCorpus, WordsLieBetweenWhitespaceAndLinesEndWithEos) {
  EXPECT_THAT(tokens_of({"a b\n"}), ElementsAre("a", "b", "<eos>"));
  EXPECT_THAT(tokens_of({"a b"}), ElementsAre("a", "b", "<eos>"));  // a last line without newline is a line
  EXPECT_THAT(tokens_of({"a\n\n b"}), ElementsAre("a", "<eos>", "<eos>", "b", "<eos>"));  // a blank line is only <eos>
  EXPECT_THAT(tokens_of({"\n"}), ElementsAre("<eos>"));
  EXPECT_THAT(tokens_of({" \t a\v\fb \r\nc\r\n"}), ElementsAre("a", "b", "<eos>", "c", "<eos>"));
  EXPECT_THAT(tokens_of({"a\n "}), ElementsAre("a", "<eos>", "<eos>"));  // a last line of blanks is one, too
  EXPECT_THAT(tokens_of({std::string("a\0b a\0\n", 7)}),
              ElementsAre(std::string("a\0b", 3), std::string("a\0", 2), "<eos>"));
  EXPECT_THAT(tokens_of({"caf\xC3\xA9\xC2\xA0x\n"}),
              ElementsAre("caf\xC3\xA9\xC2\xA0x", "<eos>"));  // only ASCII whitespace divides
}

TEST_F(TextCorpus, WithoutEosNewlinesAreWhitespace) {
  EXPECT_THAT(tokens_of({"a b\n\nc"}, Unit::word, Lines::are_whitespace), ElementsAre("a", "b", "c"));
  EXPECT_THAT(tokens_of({"a", "b"}, Unit::word, Lines::are_whitespace), ElementsAre("a", "b"));  // files end words
  EXPECT_THAT(tokens_of({"a <eos>\n"}, Unit::word, Lines::are_whitespace), ElementsAre("a", "<eos>"));
}

TEST_F(TextCorpus, FilesFollowEachOtherAndEachEndsItsLine) {
  EXPECT_THAT(tokens_of({"b\na", "c\n", "\n"}), ElementsAre("b", "<eos>", "a", "<eos>", "c", "<eos>", "<eos>"));
}

TEST_F(TextCorpus, SpecialTokensSpelledInTheTextAreThemselves) {
  TextCorpusOptions options = texts({"a <unk> <eos> a\n"});
  const Manifest manifest = build(options);
  EXPECT_THAT(tokens(options), ElementsAre("a", "<unk>", "<eos>", "a", "<eos>"));
  EXPECT_EQ(manifest.vocabulary.words, 3);
  EXPECT_EQ(manifest.splits.at("train").unknown, 1);
}

TEST_F(TextCorpus, CharactersAreCodePointsAndBytesAreBytes) {
  const std::string text = "a\xC3\xA9 \xF0\x9F\x98\x80\r\nb";
  EXPECT_THAT(tokens_of({text}, Unit::character),
              ElementsAre("a", "\xC3\xA9", " ", "\xF0\x9F\x98\x80", "\r", "<eos>", "b", "<eos>"));
  EXPECT_THAT(tokens_of({text}, Unit::character, Lines::are_whitespace),
              ElementsAre("a", "\xC3\xA9", " ", "\xF0\x9F\x98\x80", "\r", "\n", "b"));
  EXPECT_THAT(tokens_of({std::string("a\0\xFF\n", 4)}, Unit::byte),
              ElementsAre("a", std::string(1, '\0'), "\xFF", "<eos>"));
  EXPECT_THAT(tokens_of({"a\n"}, Unit::byte, Lines::are_whitespace), ElementsAre("a", "\n"));
  EXPECT_THAT(tokens_of({"<eos>"}, Unit::byte), ElementsAre("<", "e", "o", "s", ">", "<eos>"));
}

TEST_F(TextCorpus, AByteOrderMarkIsNoText) {
  EXPECT_THAT(tokens_of({"\xEF\xBB\xBF"
                         "a\n"}),
              ElementsAre("a", "<eos>"));
  EXPECT_THAT(tokens_of({"\xEF\xBB\xBF"
                         "a"},
                        Unit::character),
              ElementsAre("a", "<eos>"));
  EXPECT_THAT(tokens_of({"\xEF\xBB\xBF"}, Unit::byte, Lines::are_whitespace), ElementsAre("\xEF", "\xBB", "\xBF"));
  EXPECT_THAT(building(texts({std::string("\xFF\xFE"
                                          "a\0",
                                          4)})),
              AllOf(StartsWith("65: is UTF-16 text, expected UTF-8"), HasSubstr("iconv")));
}

TEST_F(TextCorpus, CountsBytesAndCharactersOfTheTextAsItIsRead) {
  const auto size_of = [&](const std::string& text, Unit unit, int threads = 1) {
    TextCorpusOptions options = texts({text});
    options.unit = unit;
    options.threads = threads;
    const SplitEntry entry = build(options).splits.at("train");
    EXPECT_EQ(Corpus::open(options.output).manifest().splits.at("train"), entry);
    return entry.text;
  };
  const std::string text = "\xEF\xBB\xBF"  // the mark is no text
                           "na\xC3\xAFve  caf\xC3\xA9\r\n\n";
  EXPECT_EQ(size_of(text, Unit::word), (TextSize{16, 14}));
  EXPECT_EQ(size_of(text, Unit::character), (TextSize{16, 14}));
  EXPECT_EQ(size_of(text, Unit::byte), (TextSize{19, std::nullopt}));
  std::string large;
  while (large.size() < (5 << 20)) large += "\xE2\x82\xAC and so on\n";
  EXPECT_EQ(size_of(large, Unit::word, 3), (TextSize{static_cast<std::int64_t>(large.size()), static_cast<std::int64_t>(large.size() / 14 * 12)}));
}

TEST_F(TextCorpus, RareWordsBecomeUnkWhichSortsByWhatItReplaces) {
  TextCorpusOptions options = texts({"a a a b b c d e f\n"}, {"a z\n"});
  options.min_count = 2;
  const Manifest manifest = build(options);
  const Vocabulary vocabulary = Corpus::open(options.output).load_vocabulary();
  std::vector<std::string> words;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) words.emplace_back(vocabulary[id]);
  EXPECT_THAT(words, ElementsAre("<unk>", "a", "b", "<eos>"));  // <eos> stays, however rare
  EXPECT_THAT(vocabulary.counts(), ElementsAre(4, 3, 2, 1));
  EXPECT_THAT(tokens(options, "valid"), ElementsAre("a", "<unk>", "<eos>"));
  EXPECT_EQ(manifest.splits.at("train").unknown, 4);
  EXPECT_EQ(manifest.splits.at("valid").unknown, 1);
  EXPECT_EQ(manifest.min_count, 2);
}

TEST_F(TextCorpus, MinCountAlwaysMakesUnk) {
  TextCorpusOptions options = texts({"a a\n"}, {"b\n"});
  options.min_count = 2;
  build(options);
  EXPECT_THAT(tokens(options, "valid"), ElementsAre("<unk>", "<eos>"));
  EXPECT_EQ(Corpus::open(options.output).load_vocabulary().count(2), 0U);
}

TEST_F(TextCorpus, ExistingOutputIsKept) {
  TextCorpusOptions options = texts({"a\n"});
  build(options);
  const auto before = directory_content(options.output);
  EXPECT_THAT(error_of([&] { build(options); }), StartsWith("73: the output exists already"));
  EXPECT_EQ(directory_content(options.output), before);
}

// Text longer than many blocks, with words, lines and code points across every block edge.
std::string long_text() {
  std::string text;
  for (const std::uint32_t id : some_ids(900'000, 5000)) {
    text += id % 7 == 0 ? "\xC3\xA9t\xF0\x9F\x98\x80" : "w";
    text += std::to_string(id);
    text += id % 11 == 0 ? '\n' : ' ';
  }
  return text;
}

TEST_F(TextCorpus, GivesTheSameBytesWhateverTheThreadsAndIsWhatANaiveReaderSees) {
  const std::string text = long_text();
  ASSERT_GT(text.size(), 5U << 20);
  for (const Unit unit : {Unit::word, Unit::character, Unit::byte}) {
    std::vector<std::map<std::string, std::string>> content;
    TextCorpusOptions options = texts({text}, {"w1 w2\n"});
    options.unit = unit;
    options.shard_tokens = 1'000'000;
    for (const int threads : {1, 2, 5}) {
      options.threads = threads;
      options.output = directory_ / ("same" + std::to_string(made_++));
      build(options);
      content.push_back(directory_content(options.output));
    }
    EXPECT_TRUE(content[0] == content[1] && content[0] == content[2]);
    std::string joined;
    for (const std::string& token : tokens(options))
      joined += token == "<eos>" ? "\n" : unit == Unit::word ? token + " " : token;
    std::string expected = text;
    if (unit == Unit::word) {  // a blank behind every word, and before every newline
      expected.clear();
      for (const char c : text) expected += c == '\n' ? " \n" : std::string(1, c);
    }
    if (joined.back() == '\n' && expected.back() != '\n') expected += '\n';
    EXPECT_TRUE(joined == expected) << unit_name(unit);
  }
}

TEST_F(TextCorpus, TheFirstErrorInTheTextIsReportedWhateverTheThreads) {
  std::string text = long_text();
  const std::size_t first = text.find(' ', 3'000'000), second = text.find(' ', 5'000'000);
  text[first] = '\xFF', text[second] = '\xFF';
  for (const int threads : {1, 2, 5}) {
    TextCorpusOptions options = texts({text});
    options.threads = threads;
    EXPECT_THAT(building(options), HasSubstr(": byte " + std::to_string(first) + ", line "));
  }
}

TEST_F(TextCorpus, ReusesAVocabulary) {
  TextCorpusOptions first = texts({"a a b b c\n"});
  first.min_count = 2;
  const Manifest made = build(first);
  TextCorpusOptions second = texts({}, {"b c d\n"});
  for (const fs::path& source : {first.output, first.output / kVocabularyFile}) {
    second.vocabulary = source;
    second.output = directory_ / ("second" + std::to_string(made_++));
    const Manifest reused = build(second);
    EXPECT_EQ(reused.vocabulary, made.vocabulary);
    EXPECT_EQ(file_text(second.output / kVocabularyFile), file_text(first.output / kVocabularyFile));
    EXPECT_THAT(tokens(second, "valid"), ElementsAre("b", "<unk>", "<unk>", "<eos>"));
  }
  second.output = directory_ / "third";
  second.unit = Unit::character;
  EXPECT_THAT(building(second), StartsWith("65: has unit word, expected char"));
  TextCorpusOptions plain = texts({"a\n"});
  plain.lines = Lines::are_whitespace;
  build(plain);
  TextCorpusOptions wants_eos = texts({"a\n"});
  wants_eos.vocabulary = plain.output;
  EXPECT_THAT(building(wants_eos), AllOf(StartsWith("65: the vocabulary has no <eos>"), HasSubstr("--no-eos")));
  wants_eos.vocabulary = directory_ / "nowhere.h5";
  EXPECT_THAT(building(wants_eos), StartsWith("66: cannot be read"));
}

TEST_F(TextCorpus, EqualsTheGoldenFiles) {
  const fs::path golden = source_folder() / "tests/corpus/golden";
  TextCorpusOptions options;
  options.files[0] = {golden / "train.txt"};
  options.files[1] = {golden / "valid.txt"};
  options.min_count = 2;
  options.shard_tokens = 8;
  options.output = directory_ / "golden";
  build(options);
  auto expected = directory_content(golden / "corpus");
  std::string& manifest = expected.at(kManifestFile);  // which names the version that wrote it
  manifest.replace(manifest.find("0.1.0"), 5, kVersion);
  EXPECT_EQ(directory_content(options.output), expected);
}

}  // namespace
}  // namespace trellis
