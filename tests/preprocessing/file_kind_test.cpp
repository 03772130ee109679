#include "preprocessing/file_kind.h"

#include <gmock/gmock.h>

#include "tests/preprocessing/text_corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class FileKind : public TextCorpus {
 protected:
  std::string refusal(const std::string& content, Unit unit = Unit::word) {
    TextCorpusOptions options = texts({content});
    options.unit = unit;
    return building(options);
  }
};

// "Hello\n" by the tools themselves.
const std::string kXz =
    "\xFD\x37\x7A\x58\x5A\x00\x00\x04\xE6\xD6\xB4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2F\xE5\xA3\x01\x00\x05\x48\x65\x6C\x6C\x6F\x0A\x00"s;
const std::string kGzip = "\x1F\x8B\x08\x00\x00\x00\x00\x00\x00\x03\xF3\x48\xCD\xC9\xC9\xE7\x02\x00\x16\x35\x96\x31\x06\x00\x00\x00"s;

TEST_F(FileKind, CompressedTextIsRefusedWithTheCommandThatUnpacksIt) {
  for (const Unit unit : {Unit::word, Unit::character, Unit::byte}) {
    EXPECT_THAT(refusal(kXz, unit), AllOf(StartsWith("65: is compressed with xz, expected a plain file"), HasSubstr("unpack it first: xz -dk " + directory_.path().string())));
    EXPECT_THAT(refusal(kGzip, unit), AllOf(StartsWith("65: is compressed with gzip"), HasSubstr("gzip -dk")));
    EXPECT_THAT(refusal("BZh91AY&SY\x12\x34"s, unit), AllOf(StartsWith("65: is compressed with bzip2"), HasSubstr("bzip2 -dk")));
    EXPECT_THAT(refusal("\x28\xB5\x2F\xFD\x04\x00"s, unit), AllOf(StartsWith("65: is compressed with zstd"), HasSubstr("zstd -d")));
    EXPECT_THAT(refusal("PK\x03\x04\x14\x00"s, unit), AllOf(StartsWith("65: is a zip archive"), HasSubstr("unzip")));
  }
}

TEST_F(FileKind, AnArchiveOfTextsIsNoText) {
  std::string tar(512, '\0');
  tar.replace(0, 5, "a.txt");
  tar.replace(257, 5, "ustar");
  EXPECT_THAT(refusal(tar + "the cat sat on the mat\n"), StartsWith("65: is a tar archive"));
}

TEST_F(FileKind, DocumentsOfOtherProgramsAreNoTextButHaveBytes) {
  EXPECT_THAT(refusal("%PDF-1.7\n"), AllOf(StartsWith("65: is a PDF document, expected plain text"), HasSubstr("pdftotext")));
  EXPECT_THAT(refusal("{\\rtf1\\ansi text}"), StartsWith("65: is an RTF document"));
  EXPECT_THAT(refusal("PAR1\x15\x04"), StartsWith("65: is a Parquet table"));
  EXPECT_THAT(refusal("\x89HDF\r\n\x1A\n"), StartsWith("65: is an HDF5 file"));
  EXPECT_EQ(refusal("%PDF-1.7\n", Unit::byte), "no error");
}

std::string in_utf16(const std::string& text, bool big_endian) {
  std::string wide;
  for (const char c : text) wide += big_endian ? std::string{'\0', c} : std::string{c, '\0'};
  return wide;
}

TEST_F(FileKind, Utf16IsToldWithAndWithoutItsMark) {
  for (const bool big_endian : {false, true}) {
    EXPECT_THAT(refusal(in_utf16("the cat sat on the mat\n", big_endian)), AllOf(StartsWith("65: is UTF-16 text"), HasSubstr("iconv -f UTF-16")));
  }
  EXPECT_THAT(refusal("\xFF\xFE" + in_utf16("a\n", false), Unit::character), StartsWith("65: is UTF-16 text"));
  EXPECT_EQ(refusal(in_utf16("the cat sat on the mat\n", false), Unit::byte), "no error");
}

TEST_F(FileKind, TextThatOnlyBeginsLikeAnotherKindIsText) {
  for (const std::string& text : {"BZh9 is how bzip2 begins\n"s, "PAR1 and PAR2\n"s, "7z and Rar! and PK\n"s, "ustar\n"s, "a\0b c\n"s, "\0\0\0\0\0\0\0\0a\n"s}) {
    EXPECT_EQ(refusal(text), "no error") << text;
  }
}

}  // namespace
}  // namespace trellis
