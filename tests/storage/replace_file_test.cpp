#include "storage/replace_file.h"

#include <gmock/gmock.h>

#include <fstream>
#include <iterator>

#include "base/errors.h"
#include "tests/scratch_folder.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;

class Replaced : public testing::Test {
 protected:
  Replaced() { fs::create_directories(root); }
  ~Replaced() override { fs::remove_all(root); }
  static std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::ptrdiff_t entries() const { return std::distance(fs::directory_iterator(root), {}); }
  const fs::path root = scratch_folder() / "replaced";
};

TEST_F(Replaced, IsWholeAndAlone) {
  std::ofstream(root / ".tmp-settings.ini-0123456789abcdef") << "what a killed process left";
  for (const char* text : {"one", "another, longer", ""}) {
    replace_file(root / "settings.ini", text);
    EXPECT_EQ(text_of(root / "settings.ini"), text);
  }
  EXPECT_EQ(entries(), 1);
}

TEST_F(Replaced, StaysAsItWasWhenItCannotBe) {
  fs::create_directories(root / "settings.ini/in the way");
  try {
    replace_file(root / "settings.ini", "x");
    ADD_FAILURE() << "a folder was replaced";
  } catch (const WriteError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("Is a directory"));
  }
  EXPECT_EQ(entries(), 1);
  EXPECT_THROW(replace_file(root / "none/settings.ini", "x"), WriteError);
}

}  // namespace
}  // namespace trellis
