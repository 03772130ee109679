#include "checkpoint/owner_file.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "base/errors.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis::checkpoint {
namespace {

using namespace testing_support;
using testing::HasSubstr;

class Owned : public OneRank {
 protected:
  const std::filesystem::path path = root / "run.owner";
  std::string written() {
    const OwnerFile file(path);
    return bytes_of_file(path);
  }
};

TEST_F(Owned, IsRefusedWhileItsOwnerLives) {
  const OwnerFile first(path);
  const auto error = error_of<OutputExistsError>([&] { OwnerFile second(path); });
  EXPECT_THAT(error.fact(), HasSubstr("process " + std::to_string(getpid()) + ", since "));
  EXPECT_EQ(error.where(), root.string());
}

TEST_F(Owned, IsFreeAfterItsOwner) {
  { const OwnerFile first(path); }
  EXPECT_FALSE(std::filesystem::exists(path));
  OwnerFile second(path);
  const OwnerFile moved(std::move(second));
  EXPECT_TRUE(std::filesystem::exists(path));
}

// A number that another process has by now, and a machine that has been started since.
TEST_F(Owned, IsTakenOverFromAProcessThatIsGone) {
  const std::string text = written(), people = text.substr(0, text.find('\n') + 1), mark = text.substr(people.size());
  std::vector<std::string> fields;
  std::istringstream words(mark);
  for (std::string word; words >> word;) fields.push_back(word);
  ASSERT_EQ(fields.size(), 4U);  // process, its beginning, boot, host
  overwrite(path, people + fields[0] + " 1 " + fields[2] + " " + fields[3] + "\n");
  EXPECT_NO_THROW(OwnerFile{path});
  overwrite(path, people + fields[0] + " " + fields[1] + " another-boot " + fields[3] + "\n");
  EXPECT_NO_THROW(OwnerFile{path});
}

TEST_F(Owned, IsTakenOverWithAWarningWhereNothingCanBeSeen) {
  for (const char* text : {"host far, process 1, since long ago\n1 1 another-boot far\n", "", "anything\n\xff\n"}) {
    overwrite(path, text);
    testing::internal::CaptureStderr();
    EXPECT_NO_THROW(OwnerFile{path});
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("nothing tells whether that job has ended"));
  }
}

}  // namespace
}  // namespace trellis::checkpoint
