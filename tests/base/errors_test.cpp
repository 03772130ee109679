#include "base/errors.h"

#include <gtest/gtest.h>
#include <string>

#include "base/log.h"

namespace trellis {
namespace {

TEST(Errors, SayWhatWhereAndHowToFixOnALineEach) {
  const ConfigError error("4 x 2 needs 8 ranks, but 6 are running", "mesh.data", "start 8 ranks");
  EXPECT_EQ(std::string(error.what()),
            "4 x 2 needs 8 ranks, but 6 are running\n  where: mesh.data\n  fix:   start 8 ranks");
  EXPECT_EQ(error.fact(), "4 x 2 needs 8 ranks, but 6 are running");
  EXPECT_EQ(error.where(), "mesh.data");
  EXPECT_EQ(error.fix(), "start 8 ranks");
}

TEST(Errors, LeaveOutWhatIsNotKnown) {
  EXPECT_EQ(std::string(DataError("bad", "", "").what()), "bad");
  EXPECT_EQ(std::string(DataError("bad", "", "rebuild").what()), "bad\n  fix:   rebuild");
}

TEST(Errors, EveryCategoryCarriesTheExitCodeThatIsPromised) {
  const auto code = [](const Error& error) { return static_cast<int>(error.code()); };
  EXPECT_EQ(code(UsageError("", "", "")), 2);
  EXPECT_EQ(code(NumericError("", "", "")), 16);
  EXPECT_EQ(code(DataError("", "", "")), 65);
  EXPECT_EQ(code(MissingInputError("", "", "")), 66);
  EXPECT_EQ(code(InternalError("", "", "")), 70);
  EXPECT_EQ(code(OutputExistsError("", "", "")), 73);
  EXPECT_EQ(code(WriteError("", "", "")), 74);
  EXPECT_EQ(code(ConfigError("", "", "")), 78);
  EXPECT_EQ(static_cast<int>(ExitCode::stopped_early), 75);
  EXPECT_EQ(static_cast<int>(ExitCode::watchdog), 76);
}

TEST(Errors, CategoriesCanBeToldApart) {
  EXPECT_THROW(throw DataError("", "", ""), DataError);
  EXPECT_THROW(throw DataError("", "", ""), Error);
  const auto escapes = [] {
    try {
      throw ConfigError("", "", "");
    } catch (const DataError&) {
      return false;
    } catch (const Error&) {
      return true;
    }
  };
  EXPECT_TRUE(escapes());
}

TEST(Require, IsSilentWhenTheInvariantHoldsAndAnInternalErrorOtherwise) {
  EXPECT_NO_THROW(require(true, "holds"));
  try {
    require(false, "the sum is wrong");
    FAIL();
  } catch (const InternalError& error) {
    EXPECT_EQ(error.fact(), "the sum is wrong");
  }
}

TEST(Log, NamesTheRankOfWarningsAndErrorsAndLeavesInfoToRankZero) {
  const auto logged = [](int rank, int size) {
    set_log_rank(rank, size);
    testing::internal::CaptureStderr();
    log_info("info {}", 1);
    log_warning("warning {}", 2);
    log_error("error {}", 3);
    const std::string text = testing::internal::GetCapturedStderr();
    set_log_rank(0, 1);
    return text;
  };
  EXPECT_EQ(logged(0, 1), "info 1\nwarning: warning 2\nerror: error 3\n");
  EXPECT_EQ(logged(0, 2), "info 1\n[rank 0] warning: warning 2\n[rank 0] error: error 3\n");
  EXPECT_EQ(logged(1, 2), "[rank 1] warning: warning 2\n[rank 1] error: error 3\n");
}

}  // namespace
}  // namespace trellis
