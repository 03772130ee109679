#include "storage/atomic_directory.h"

#include <cerrno>
#include <csignal>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::StartsWith;

std::size_t entries(const fs::path& path) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

TEST(AtomicDirectory, AppearsWholeOnlyAtCommit) {
  const TemporaryDirectory parent;
  AtomicDirectory directory(parent / "deep/er/corpus/");
  put_file(directory.path() / "a", "x");
  EXPECT_FALSE(fs::exists(parent / "deep/er/corpus"));
  directory.commit();
  EXPECT_EQ(file_text(parent / "deep/er/corpus/a"), "x");
  EXPECT_EQ(entries(parent / "deep/er"), 1U);
}

TEST(AtomicDirectory, LeavesNothingWithoutCommit) {
  const TemporaryDirectory parent;
  {
    AtomicDirectory directory(parent / "corpus");
    put_file(directory.path() / "a", "x");
  }
  EXPECT_EQ(entries(parent.path()), 0U);
}

TEST(AtomicDirectory, NeverReplacesWhatIsThere) {
  const TemporaryDirectory parent;
  put_file(parent / "file", "x");
  EXPECT_THAT(error_of([&] { AtomicDirectory(parent / "file"); }),
              StartsWith("73: the output exists already\n  where: "));
  fs::create_symlink("nowhere", parent / "dangling");
  EXPECT_THAT(error_of([&] { AtomicDirectory(parent / "dangling"); }), StartsWith("73: "));
  {
    AtomicDirectory late(parent / "late");
    fs::create_directory(parent / "late");  // someone was faster
    EXPECT_THAT(error_of([&] { late.commit(); }), StartsWith("73: "));
  }
  EXPECT_EQ(entries(parent / "late"), 0U);
  EXPECT_EQ(entries(parent.path()), 3U);
}

TEST(AtomicDirectory, RemovesWhatKilledProcessesLeftButNotWhatIsInUse) {
  const TemporaryDirectory parent;
  fs::create_directories(parent / ".tmp-corpus-abcdef/sub");
  fs::create_directories(parent / ".tmp-other-abcdef");
  const AtomicDirectory first(parent / "corpus");
  EXPECT_FALSE(fs::exists(parent / ".tmp-corpus-abcdef"));
  EXPECT_TRUE(fs::exists(parent / ".tmp-other-abcdef"));
  const AtomicDirectory second(parent / "corpus");
  EXPECT_TRUE(fs::exists(first.path()));
  EXPECT_TRUE(fs::exists(second.path()));
}

TEST(AtomicDirectory, SaysWhyItCannotBeMade) {
  const TemporaryDirectory parent;
  put_file(parent / "file", "x");
  EXPECT_THAT(error_of([&] { AtomicDirectory(parent / "file/corpus"); }),
              StartsWith("74: cannot create this directory: "));
}

std::string write_error(int number) {
  return error_of([&] { throw_write_error("place", "write this file", number); });
}

TEST(File, EveryWayToRunOutOfSpaceIsAWriteErrorWithItsOwnRemedy) {
  EXPECT_THAT(write_error(ENOSPC), testing::AllOf(StartsWith("74: cannot write this file: No space left on device"),
                                                  HasSubstr("free some space")));
  EXPECT_THAT(write_error(EDQUOT), testing::AllOf(StartsWith("74: "), HasSubstr("quota")));
  EXPECT_THAT(write_error(EFBIG), testing::AllOf(StartsWith("74: "), HasSubstr("ulimit -f")));
  EXPECT_THAT(write_error(EIO), testing::AllOf(StartsWith("74: "), HasSubstr("system log")));
  const File full = File::open_to_write("/dev/full");
  EXPECT_THAT(error_of([&] { full.write_at(0, std::as_bytes(std::span("x", 1))); }),
              StartsWith("74: cannot write this file: No space left on device"));
}

// A limit on file sizes stops a write at any chosen byte, in HDF5 or in our own writing, as a full disk does.
void expect_write_errors(const std::function<void(const fs::path&)>& write, rlim_t below) {
  const TemporaryDirectory directory;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  for (rlim_t limit = 0; limit < below; limit += 500) {
    const fs::path place = directory / std::to_string(limit);
    fs::create_directory(place);
    const rlimit tight{limit, old.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const std::string said = error_of([&] { write(place); });
    setrlimit(RLIMIT_FSIZE, &old);
    EXPECT_THAT(said, StartsWith("74: ")) << limit;
    EXPECT_THAT(said, HasSubstr("train-00000.h5")) << limit;
  }
}

TEST(SplitWriter, ReportsALimitMetAnywhere) {
  const auto ids = some_ids(5000, 10);
  expect_write_errors(
      [&](const fs::path& place) {
        SplitWriter writer(place, "train", 5000, 10'000, std::string(32, 'a'));
        writer.append(ids);
        writer.finish();
      },
      24'000);
}

TEST(SequenceSplitWriter, ReportsALimitMetAnywhere) {
  const SequenceDescription description = described(7, 3, 10);
  const Sequences sequences = some_sequences(1000, description);
  expect_write_errors(
      [&](const fs::path& place) {
        SequenceSplitWriter writer(place, "train", description, 1000, 1000);
        writer.append(sequences.pixels, sequences.labels);
        writer.finish();
      },
      25'000);
}

}  // namespace
}  // namespace trellis
