#include "checkpoint/replace_file.h"

#include <gmock/gmock.h>

#include "base/errors.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis::checkpoint {
namespace {

using namespace testing_support;
using Replaced = OneRank;

std::size_t entries(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

TEST_F(Replaced, IsWholeAndAlone) {
  overwrite(root / ".tmp-settings.ini", "what a killed process left");
  for (const char* text : {"one", "another, longer", ""}) {
    replace_file(root / "settings.ini", text);
    EXPECT_EQ(bytes_of_file(root / "settings.ini"), text);
  }
  EXPECT_EQ(entries(root), 1U);
}

TEST_F(Replaced, StaysAsItWasWhenItCannotBe) {
  std::filesystem::create_directories(root / "settings.ini/in the way");
  EXPECT_THAT(error_of<WriteError>([&] { replace_file(root / "settings.ini", "x"); }).fact(), testing::HasSubstr("Is a directory"));
  EXPECT_EQ(entries(root), 1U);
  error_of<WriteError>([&] { replace_file(root / "none/settings.ini", "x"); });
}

}  // namespace
}  // namespace trellis::checkpoint
