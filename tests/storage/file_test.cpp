#include "storage/file.h"

#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <span>
#include <string>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string write_error(int number) {
  return error_of([&] { throw_write_error("place", "write this file", number); });
}

TEST(File, EveryWayToRunOutOfSpaceIsAWriteErrorWithItsOwnRemedy) {
  EXPECT_THAT(write_error(ENOSPC), AllOf(StartsWith("74: cannot write this file: No space left on device"),
                                                  HasSubstr("free some space")));
  EXPECT_THAT(write_error(EDQUOT), AllOf(StartsWith("74: "), HasSubstr("quota")));
  EXPECT_THAT(write_error(EFBIG), AllOf(StartsWith("74: "), HasSubstr("ulimit -f")));
  EXPECT_THAT(write_error(EIO), AllOf(StartsWith("74: "), HasSubstr("system log")));
  const File full = File::open_to_write("/dev/full");
  EXPECT_THAT(error_of([&] { full.write_at(0, std::as_bytes(std::span("x", 1))); }),
              StartsWith("74: cannot write this file: No space left on device"));
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
std::string read(const File& file, std::int64_t offset, std::size_t count) {
  std::string text(count, ' ');
  file.read_at(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

TEST(File, ThatIsCutSaysWhere) {
  const TemporaryDirectory directory;
  put_file(directory / "f", "12345");
  const File file = File::open_to_read(directory / "f");
  EXPECT_EQ(read(file, 1, 4), "2345");
  EXPECT_THROW(read(file, 3, 4), CutFileError);
  EXPECT_THAT(error_of([&] { read(file, 3, 4); }), AllOf(StartsWith("65: ends at byte 5, expected 4 bytes from 3"), HasSubstr("use another copy")));
  std::string some(9, ' ');
  EXPECT_EQ(file.read_some_at(3, std::as_writable_bytes(std::span(some))), 2U);
}

TEST(File, IsOpenedThroughALinkOnlyWhereLinksAreFollowed) {
  const TemporaryDirectory directory;
  put_file(directory / "f", "x");
  fs::create_symlink("f", directory / "link");
  EXPECT_EQ(read(File::open_to_read(directory / "link"), 0, 1), "x");
  EXPECT_THAT(error_of([&] { File::open_to_read(directory / "link", Links::refuse); }), StartsWith("65: is a symbolic link"));
  EXPECT_THAT(error_of([&] { File::open_to_write(directory / "link"); }), StartsWith("74: "));
  EXPECT_THAT(error_of([&] { File::open_or_create(directory / "link"); }), StartsWith("74: "));
}

TEST(File, IsCreatedOnceAndKeptByWhoOpensIt) {
  const TemporaryDirectory directory;
  File::create(directory / "f").write_at(0, bytes_of("text"));
  EXPECT_THAT(error_of([&] { File::create(directory / "f"); }), StartsWith("74: cannot create this file: File exists"));
  EXPECT_THAT(error_of([&] { File::open_to_write(directory / "none"); }), StartsWith("74: "));
  EXPECT_EQ(File::open_or_create(directory / "f").size(), 4);
  EXPECT_EQ(File::open_or_create(directory / "new").size(), 0);
}

TEST(File, HasRoomForWhatIsReservedAndKeepsWhatItHas) {
  const TemporaryDirectory directory;
  const File file = File::create(directory / "f");
  file.write_at(0, bytes_of("text"));
  file.reserve(5000);
  file.sync();
  file.drop_cached();
  EXPECT_EQ(file.size(), 5000);
  EXPECT_EQ(read(file, 0, 5), std::string("text") + '\0');
}

TEST(File, InMemoryIsAFileLikeOthers) {
  const File file = File::in_memory();
  file.write_at(3, bytes_of("text"));
  EXPECT_EQ(file.size(), 7);
  EXPECT_EQ(read(file, 3, 4), "text");
}

}  // namespace
}  // namespace trellis
