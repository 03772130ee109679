#include "base/current_error.h"

#include <gmock/gmock.h>

#include <new>
#include <stdexcept>
#include <system_error>

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::Not;

template <class Exception>
Error error_of(const Exception& exception) {
  try {
    throw exception;
  } catch (...) {
    return current_error();
  }
}

TEST(CurrentError, IsTheErrorItself) {
  const Error error = error_of(DataError("3 tokens, expected 4", "shard", "rebuild it"));
  EXPECT_EQ(error.code(), ExitCode::bad_data);
  EXPECT_EQ(error.where(), "shard");
}

TEST(CurrentError, LackOfMemoryOrThreadsIsASettingThatIsTooLarge) {
  const Error memory = error_of(std::bad_alloc());
  EXPECT_EQ(memory.code(), ExitCode::wrong_setting);
  EXPECT_THAT(memory.fix(), HasSubstr("ulimit -v"));
  const Error threads = error_of(std::system_error(EAGAIN, std::generic_category()));
  EXPECT_EQ(threads.code(), ExitCode::wrong_setting);
  EXPECT_THAT(threads.what(), HasSubstr("no more threads"));
  EXPECT_THAT(threads.fix(), HasSubstr("ulimit -u"));
  const Error library = error_of(std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried\nframe #0: somewhere"));
  EXPECT_EQ(library.code(), ExitCode::wrong_setting);
  EXPECT_THAT(library.what(), Not(HasSubstr("frame")));
}

TEST(CurrentError, AnythingElseIsInternal) {
  EXPECT_EQ(error_of(std::runtime_error("x")).code(), ExitCode::internal);
  EXPECT_EQ(error_of(std::system_error(EIO, std::generic_category())).code(), ExitCode::internal);
  EXPECT_EQ(error_of(3).code(), ExitCode::internal);
}

}  // namespace
}  // namespace trellis
