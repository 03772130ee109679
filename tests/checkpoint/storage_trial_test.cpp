#include "checkpoint/storage_trial.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>
#include <optional>

#include "base/errors.h"
#include "base/stop_request.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using Tried = OneRank;

TEST_F(Tried, AFolderIsMadeAndLeftEmpty) {
  make_checkpoint_folder(root / "a/checkpoints");
  try_checkpoint_folder(world, root / "a/checkpoints");
  EXPECT_TRUE(std::filesystem::is_empty(root / "a/checkpoints"));
  EXPECT_NO_THROW(try_checkpoint_folder(world, root / "a/checkpoints"));
}

TEST_F(Tried, AStopMeanwhileIsNoFaultOfTheFolder) {
  make_checkpoint_folder(root / "checkpoints");
  note_signal(SIGTERM);
  const auto code = [&]() -> std::optional<ExitCode> {
    try {
      try_checkpoint_folder(world, root / "checkpoints");
    } catch (const Error& error) {
      return error.code();
    }
    return std::nullopt;
  }();
  forget_requests();
  EXPECT_EQ(code, ExitCode::stopped_early);
  EXPECT_TRUE(std::filesystem::is_empty(root / "checkpoints"));
}

TEST_F(Tried, AFolderThatIsNoneSaysWhy) {
  std::filesystem::create_symlink("../gone", root / "link");
  const auto dangling = error_of<WriteError>([&] { make_checkpoint_folder(root / "link"); });
  EXPECT_THAT(dangling.fact(), HasSubstr("this is a link to ../gone, which is not there"));
  EXPECT_EQ(dangling.where(), (root / "link").string());
  overwrite(root / "file", "");
  EXPECT_THAT(error_of<WriteError>([&] { make_checkpoint_folder(root / "file"); }).fact(), HasSubstr("cannot create the folder"));
}

TEST_F(Tried, ALinkToAFolderWillDo) {
  std::filesystem::create_directory(root / "elsewhere");
  std::filesystem::create_symlink("elsewhere", root / "link");
  EXPECT_NO_THROW(make_checkpoint_folder(root / "link"));
  EXPECT_NO_THROW(try_checkpoint_folder(world, root / "link"));
  EXPECT_TRUE(std::filesystem::is_empty(root / "elsewhere"));
}

TEST_F(Tried, RoomIsCountedInWholeFilesAndGivenBack) {
  const Room enough = room_for(root, 4096, 3);
  EXPECT_EQ(enough.files, 3);
  EXPECT_GT(enough.free_bytes, 3 * 4096);
  EXPECT_EQ(room_for(root, std::int64_t{1} << 60, 2).files, 0);
  EXPECT_TRUE(std::filesystem::is_empty(root));
}

TEST_F(Tried, ALimitOnFileSizesIsToldBeforeItIsMet) {
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit tight{1 << 20, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &tight);
  EXPECT_EQ(room_for(root, 1 << 20, 1).files, 1);
  EXPECT_THAT(error_of<WriteError>([&] { room_for(root, (1 << 20) + 1, 1); }).fix(), HasSubstr("ulimit -f"));
  setrlimit(RLIMIT_FSIZE, &old);
}

}  // namespace
}  // namespace trellis
