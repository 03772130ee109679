#include "checkpoint/run_lock.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/errors.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;

using RunLocked = OneRank;

TEST_F(RunLocked, RefusesASecondJobAndNamesTheFirst) {
  const RunLock first(world, root / "run");
  const auto error = error_of<OutputExistsError>([&] { RunLock(world, root / "run"); });
  EXPECT_THAT(error.fact(), HasSubstr("another job is using this run: host "));
  EXPECT_THAT(error.fact(), HasSubstr("process " + std::to_string(getpid()) + ", since "));
  EXPECT_EQ(error.code(), ExitCode::output_exists);
  EXPECT_NO_THROW(RunLock(world, root / "other"));
}

TEST_F(RunLocked, IsFreeAgainAfterTheHolder) {
  { const RunLock first(world, root); }
  EXPECT_NO_THROW(RunLock(world, root));
}

TEST_F(RunLocked, TakesOverTheFileOfADeadJob) {
  overwrite(root / "run.lock", "host gone, process 1, since long ago");
  EXPECT_NO_THROW(RunLock(world, root));
  EXPECT_THAT(bytes_of_file(root / "run.lock"), HasSubstr("process " + std::to_string(getpid())));
}

TEST_F(RunLocked, SaysWhyTheFolderCannotBeMade) {
  overwrite(root / "file", "");
  EXPECT_THAT(error_of<WriteError>([&] { RunLock(world, root / "file/run"); }).fact(), HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace trellis
