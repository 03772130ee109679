#include "preprocessing/text_corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class TextCorpus : public testing::Test {
 protected:
  // Options for splits of these texts, each a file of its own.
  TextCorpusOptions texts(const std::vector<std::string>& train, const std::vector<std::string>& valid = {}) {
    TextCorpusOptions options;
    for (const std::string& text : train)
      options.files[0].push_back(put_file(directory_ / ("t" + std::to_string(made_++)), text));
    for (const std::string& text : valid)
      options.files[1].push_back(put_file(directory_ / ("v" + std::to_string(made_++)), text));
    options.output = directory_ / ("corpus" + std::to_string(made_++));
    return options;
  }
  static Manifest build(const TextCorpusOptions& options) {
    return build_text_corpus(options, [](const TextProgress&) {});
  }
  static std::string building(const TextCorpusOptions& options) {
    const std::string said = error_of([&] { build(options); });
    EXPECT_EQ(fs::exists(options.output), said == "no error");
    for (const auto& entry : fs::directory_iterator(options.output.parent_path()))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp-")) << entry.path();
    return said;
  }
  // The split read back as tokens.
  static std::vector<std::string> tokens(const TextCorpusOptions& options, const char* split = "train") {
    const Corpus corpus = Corpus::open(options.output);
    const Vocabulary vocabulary = corpus.load_vocabulary();
    const auto reader = corpus.open_split(split);
    std::vector<std::int64_t> ids(static_cast<std::size_t>(reader->tokens()));
    reader->read(0, ids);
    std::vector<std::string> words;
    for (const std::int64_t id : ids) words.emplace_back(vocabulary[id]);
    return words;
  }
  std::vector<std::string> tokens_of(const std::vector<std::string>& train, Unit unit = Unit::word,
                                     Lines lines = Lines::end_with_eos) {
    TextCorpusOptions options = texts(train);
    options.unit = unit;
    options.lines = lines;
    build(options);
    return tokens(options);
  }

  const TemporaryDirectory directory_;
  int made_ = 0;
};

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

TEST(SpaceMask, KnowsEveryByteAtEveryPlace) {
  for (int value = 0; value < 256; ++value)
    for (int at = 0; at < 64; ++at)
      for (const char around : {'x', ' ', '\xFF', '\0'}) {
        std::string bytes(64, around);
        bytes[static_cast<std::size_t>(at)] = static_cast<char>(value);
        const std::uint64_t others = around == ' ' ? ~std::uint64_t{0} : 0, one = std::uint64_t{1} << at;
        const bool space = std::string(" \t\n\v\f\r").find(static_cast<char>(value)) != std::string::npos;
        ASSERT_EQ(space_mask(bytes.data()), space ? others | one : others & ~one) << value << " at " << at;
      }
}

TEST(ForEachWords, AgreesWithAByteByByteWalkForEveryLengthAndPattern) {
  std::uint32_t seed = 0;
  for (std::size_t length = 0; length <= 200; ++length)
    for (const Lines lines : {Lines::end_with_eos, Lines::are_whitespace}) {
      std::string text;
      for (const std::uint32_t id : some_ids(length + ++seed % 50, 9)) text += " \nab\xC3\xFF\0\t\r"[id];
      text.resize(length);
      const fs::path path = "x";
      const TextBlock block{&path, 0, text, true};
      std::vector<std::string> expected, found;
      std::string word;
      for (const char c : text + ' ') {
        if (!is_space(c)) {
          word += c;
          continue;
        }
        if (!word.empty()) expected.push_back(word);
        word.clear();
        if (c == '\n' && lines == Lines::end_with_eos) expected.push_back("<eos>");
      }
      if (lines == Lines::end_with_eos && !text.empty() && text.back() != '\n') expected.push_back("<eos>");
      for_each_words(block, lines, [&](std::span<const std::string_view> words) {
        found.insert(found.end(), words.begin(), words.end());
      });
      ASSERT_EQ(found, expected) << length;
    }
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

TEST_F(TextCorpus, AnUnseenTokenWithoutUnkIsNamedWithItsLine) {
  EXPECT_THAT(building(texts({"a\n"}, {"a\n\na strange\n"})),
              AllOf(StartsWith("65: 'strange' does not occur in the training text, whose vocabulary has no <unk>"),
                    HasSubstr(": line 3\n"), HasSubstr("--min-count 2")));
  EXPECT_THAT(building(texts({"a\n"}, {"\x1B[31mred\n"})), StartsWith("65: '\\x1b[31mred' does not occur"));
  TextCorpusOptions bytes = texts({"a\n"}, {"a\n\xFF"});
  bytes.unit = Unit::byte;
  EXPECT_THAT(building(bytes), AllOf(StartsWith("65: byte 0xff does not occur"), HasSubstr(": line 2\n")));
}

TEST_F(TextCorpus, InvalidUtf8IsNamedByItsByte) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"a\nb \xFF", "byte 0xff\n  where: FILE: byte 4, line 2"},
      {"abcdefgh\xC3", "byte 0xc3\n  where: FILE: byte 8, line 1"},       // cut at the end
      {"\xC0\xAF", "byte 0xc0\n  where: FILE: byte 0, line 1"},           // overlong
      {"a\xED\xA0\x80", "byte 0xed\n  where: FILE: byte 1, line 1"},      // surrogate
      {"a\xF4\x90\x80\x80", "byte 0xf4\n  where: FILE: byte 1, line 1"},  // beyond Unicode
      {"12345678\x80", "byte 0x80\n  where: FILE: byte 8, line 1"},       // continuation without a start
      {"\xEF\xBB\xBF"
       "ab\xFF",
       "byte 0xff\n  where: FILE: byte 5, line 1"},  // behind a byte order mark
  };
  for (const Unit unit : {Unit::word, Unit::character})
    for (const auto& [text, message] : cases) {
      TextCorpusOptions options = texts({"fine\n", text});
      options.unit = unit;
      std::string expected = "65: invalid UTF-8: " + message;
      expected.replace(expected.find("FILE"), 4, options.files[0][1].string());
      EXPECT_THAT(building(options), StartsWith(expected));
    }
}

TEST_F(TextCorpus, InputsThatCannotBeReadAreNamed) {
  TextCorpusOptions options = texts({"a\n"});
  options.files[1] = {directory_ / "missing.txt"};
  EXPECT_THAT(building(options),
              AllOf(StartsWith("66: cannot be read: No such file or directory"), HasSubstr("missing.txt")));
  options.files[1] = {directory_.path()};
  EXPECT_THAT(building(options), StartsWith("65: is a directory, expected a file"));
  options.files[1] = {put_file(directory_ / "empty.txt", "")};
  EXPECT_THAT(building(options), AllOf(StartsWith("65: is empty"), HasSubstr("empty.txt")));
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  options.files[1] = {directory_ / "pipe"};
  EXPECT_THAT(building(options), StartsWith("65: is not a regular file (a pipe or device cannot be read twice)"));
  options.files[1] = {put_file(directory_ / "blank.txt", " \n ")};
  options.lines = Lines::are_whitespace;
  EXPECT_THAT(building(options), StartsWith("65: has only whitespace, no tokens"));
}

TEST_F(TextCorpus, TextThatChangesMeanwhileIsRefused) {
  TextCorpusOptions options = texts({"a b\nc\n"});
  const auto change_at = [&](const char* moment, const std::string& text) {
    return error_of([&] {
      build_text_corpus(options, [&](const TextProgress& progress) {
        if (progress.doing == moment) put_file(options.files[0][0], text);
      });
    });
  };
  EXPECT_THAT(change_at("counting train", "a b\nc\nd\n"),
              AllOf(StartsWith("65: changed while it was being read: 6 bytes at first, 8 now"), HasSubstr("t0")));
  put_file(options.files[0][0], "a b\nc\n");
  EXPECT_THAT(change_at("counting train", "a"),
              StartsWith("65: changed while it was being read: 6 bytes at first, 1 now"));
  EXPECT_FALSE(fs::exists(options.output));
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

TEST_F(TextCorpus, WordsBeyondAllMeasureAreNoText) {
  TextCorpusOptions options = texts({"a " + std::string(70'000, 'x') + "\n"});
  EXPECT_THAT(building(options),
              AllOf(StartsWith("65: a word of 70000 bytes, expected at most 65536"), HasSubstr(": byte 2\n")));
  EXPECT_THAT(building(texts({"a\n" + std::string(3 << 20, 'x')})),
              AllOf(StartsWith("65: a word of more than 65536 bytes"), HasSubstr("--unit byte")));
  EXPECT_EQ(building(texts({std::string(65'536, 'x')})), "no error");
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
  const fs::path golden = fs::path(__FILE__).parent_path().parent_path() / "corpus" / "golden";
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
