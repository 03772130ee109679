#include "storage/atomic_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
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

}  // namespace
}  // namespace trellis
