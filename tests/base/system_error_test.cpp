#include "base/system_error.h"

#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scratch_folder.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class SystemError : public testing::Test {
 protected:
  SystemError() {
    fs::create_directory(folder);
    std::ofstream(folder / "file") << "text";
    fs::create_directory(folder / "inside");
    fs::create_symlink("nowhere", folder / "dangling");
    fs::create_symlink("circle", folder / "circle");  // looking through it fails, for the superuser, too
    fs::create_symlink("inside", folder / "link");
  }
  ~SystemError() override { fs::remove_all(folder); }
  const fs::path folder = scratch_folder() / "system_error";
};

TEST_F(SystemError, TellsAbsenceFromWhatCannotBeLookedAt) {
  EXPECT_EQ(kind_of_path(folder / "file"), PathKind::file);
  EXPECT_EQ(kind_of_path(folder / "link"), PathKind::directory);
  EXPECT_EQ(kind_of_path(folder / "nowhere"), PathKind::absent);
  EXPECT_EQ(kind_of_path(folder / "file" / "below"), PathKind::absent);
  EXPECT_EQ(kind_of_path(folder / "dangling"), PathKind::absent);
  EXPECT_EQ(kind_of_path("/dev/null"), PathKind::other);
  EXPECT_THROW(kind_of_path(folder / "circle"), MissingInputError);
  EXPECT_THROW(kind_of_path(folder / std::string(300, 'x')), MissingInputError);
  EXPECT_EQ(kind_of_entry(folder / "circle"), PathKind::other);
  EXPECT_EQ(kind_of_entry(folder / "dangling"), PathKind::other);
  EXPECT_EQ(kind_of_entry(folder / "nowhere"), PathKind::absent);
}

TEST_F(SystemError, ListsADirectoryOrSaysThatThereIsNone) {
  EXPECT_THAT(names_in_directory(folder).value(), ElementsAre("circle", "dangling", "file", "inside", "link"));
  EXPECT_THAT(names_in_directory(folder / "inside").value(), testing::IsEmpty());
  EXPECT_FALSE(names_in_directory(folder / "nowhere"));
  EXPECT_THROW(names_in_directory(folder / "circle"), MissingInputError);
}

TEST(ReadErrors, SayWhatHelpsAgainstEach) {
  const auto error_of = [](int number) {
    try {
      throw_unreadable("some/file", number);
    } catch (const MissingInputError& error) {
      return error;
    }
  };
  EXPECT_EQ(error_of(EACCES).fact(), "cannot be read: Permission denied");
  EXPECT_EQ(error_of(EACCES).where(), "some/file");
  EXPECT_THAT(error_of(EACCES).fix(), HasSubstr("permissions"));
  EXPECT_THAT(error_of(EMFILE).fix(), HasSubstr("ulimit -n"));
  EXPECT_THAT(error_of(ENFILE).fix(), HasSubstr("on this machine"));
  EXPECT_THAT(error_of(EIO).fix(), HasSubstr("file system"));
  EXPECT_THAT(error_of(ESTALE).fix(), HasSubstr("file system"));
  EXPECT_THAT(error_of(ENOMEM).fix(), HasSubstr("memory"));
  EXPECT_THAT(error_of(ENOENT).fix(), HasSubstr("path"));
  EXPECT_THROW(throw_unreadable("x", ENOENT), AbsentInputError);
  EXPECT_THROW(throw_unreadable("x", EMFILE), TooManyFilesError);
  for (const int number : {EACCES, EIO, ESTALE, ENOMEM, EINTR, ENFILE, ELOOP, EPERM}) EXPECT_FALSE(says_absent(number)) << number;
}

TEST(InterruptedCalls, AreRepeatedButNotForEver) {
  int calls = 0;
  EXPECT_EQ(uninterrupted([&] { return errno = EINTR, ++calls < 5 ? -1 : 7; }), 7);
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(uninterrupted([&] { return errno = EINTR, -1; }), -1);
  calls = 0;
  EXPECT_EQ(uninterrupted([&] { return ++calls, errno = EIO, -1; }), -1);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace trellis
