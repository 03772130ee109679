#include "storage/file_system.h"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <unistd.h>

namespace trellis {
namespace {

using testing::HasSubstr;

TEST(Storage, GivesEveryFailureItsOwnRemedy) {
  EXPECT_THAT(write_remedy(ENOSPC), HasSubstr("free some space"));
  EXPECT_THAT(write_remedy(EDQUOT), HasSubstr("quota"));
  EXPECT_THAT(write_remedy(EFBIG), HasSubstr("ulimit -f"));
  EXPECT_THAT(write_remedy(EIO), HasSubstr("system log"));
  EXPECT_THAT(write_remedy(EACCES), HasSubstr("permissions"));
  std::set<std::string> remedies;
  for (const int error : {ENOSPC, EDQUOT, EFBIG, EIO, EROFS, ESTALE, EMFILE, EACCES}) remedies.insert(write_remedy(error));
  EXPECT_EQ(remedies.size(), 8U);
}

// fsync of a pipe answers EINVAL, as that of a folder does on some network file systems.
TEST(Storage, LivesWithACallThatTheFileSystemDoesNotKnow) {
  int ends[2] = {};
  ASSERT_EQ(pipe(ends), 0);
  EXPECT_EQ(bring_to_disk(ends[1], "a pipe"), 0);
  EXPECT_EQ(bring_data_to_disk(ends[1], "a pipe"), 0);
  close(ends[0]);
  close(ends[1]);
  EXPECT_EQ(bring_to_disk(ends[0], "nothing"), EBADF);
}

TEST(Storage, TellsAHeldLockFromOneThatDoesNotExist) {
  std::string name = (std::filesystem::temp_directory_path() / "trellis-lock-XXXXXX").string();
  const int first = mkstemp(name.data()), second = open(name.c_str(), O_RDWR);
  ASSERT_GE(second, 0);
  EXPECT_EQ(lock_exclusively(first, Waiting::no), Locked::here);
  EXPECT_EQ(lock_exclusively(second, Waiting::no), Locked::by_another);
  close(first);
  EXPECT_EQ(lock_exclusively(second, Waiting::no), Locked::here);
  close(second);
  EXPECT_EQ(lock_exclusively(second, Waiting::no), Locked::unknown_here);
  EXPECT_EQ(lock_unfinished(second, name, Waiting::yes), Locked::unknown_here);
  unlink(name.c_str());
}

}  // namespace
}  // namespace trellis
