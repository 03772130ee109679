// Texts that no corpus can be made of: each a message and an exit code, nothing left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/preprocessing/text_corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class BadText : public TextCorpus {};

TEST_F(BadText, AnUnseenTokenWithoutUnkIsNamedWithItsLine) {
  EXPECT_THAT(building(texts({"a\n"}, {"a\n\na strange\n"})),
              AllOf(StartsWith("65: 'strange' does not occur in the training text, whose vocabulary has no <unk>"),
                    HasSubstr(": line 3\n"), HasSubstr("--min-count 2")));
  EXPECT_THAT(building(texts({"a\n"}, {"\x1B[31mred\n"})), StartsWith("65: '\\x1b[31mred' does not occur"));
  TextCorpusOptions bytes = texts({"a\n"}, {"a\n\xFF"});
  bytes.unit = Unit::byte;
  EXPECT_THAT(building(bytes), AllOf(StartsWith("65: byte 0xff does not occur"), HasSubstr(": line 2\n")));
}

TEST_F(BadText, InvalidUtf8IsNamedByItsByte) {
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

TEST_F(BadText, InputsThatCannotBeReadAreNamed) {
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

TEST_F(BadText, TextThatChangesMeanwhileIsRefused) {
  TextCorpusOptions options = texts({"a b\nc\n"});
  const auto change_at = [&](const char* moment, const std::string& text) {
    return error_of([&] {
      build_text_corpus(options, [&](const ReadingProgress& progress) {
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

TEST_F(BadText, WordsBeyondAllMeasureAreNoText) {
  TextCorpusOptions options = texts({"a " + std::string(70'000, 'x') + "\n"});
  EXPECT_THAT(building(options),
              AllOf(StartsWith("65: a word of 70000 bytes, expected at most 65536"), HasSubstr(": byte 2\n")));
  EXPECT_THAT(building(texts({"a\n" + std::string(3 << 20, 'x')})),
              AllOf(StartsWith("65: a word of more than 65536 bytes"), HasSubstr("--unit byte")));
  EXPECT_EQ(building(texts({std::string(65'536, 'x')})), "no error");
}

}  // namespace
}  // namespace trellis
