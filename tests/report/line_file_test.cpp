#include "report/line_file.h"

#include <csignal>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "base/errors.h"
#include "tests/scratch_folder.h"

namespace trellis {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A limit on the size of files tears a write just as a full disk does, and can be lifted again.
class Limit {
 public:
  explicit Limit(std::size_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit tight{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
  }
  ~Limit() {
    setrlimit(RLIMIT_FSIZE, &old_);
    signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit old_{};
};

class LinesOfAFile : public testing::Test {
 protected:
  LinesOfAFile() { std::filesystem::remove(path); }

  const std::filesystem::path path = scratch_folder() / "lines";
  std::vector<std::string> told;
  const Tell tell = [this](LogLevel, const std::string& message) { told.push_back(message); };
};

TEST_F(LinesOfAFile, WaitForRoomAndAreThenWrittenInOrder) {
  LineFile lines(path, tell);
  lines.append("first\n");
  {
    const Limit limit(10);  // four bytes of the next line
    for (const char* line : {"second\n", "third\n", "fourth\n"}) lines.append(line);
    EXPECT_EQ(text_of(path), "first\n");  // and nothing torn
    try {
      lines.expect_all_written();
      FAIL();
    } catch (const WriteError& error) {
      EXPECT_THAT(error.fact(), HasSubstr("3 line(s) could not be written"));
      EXPECT_EQ(error.where(), path.string());
    }
  }
  lines.append("fifth\n");
  EXPECT_EQ(text_of(path), "first\nsecond\nthird\nfourth\nfifth\n");
  EXPECT_NO_THROW(lines.expect_all_written());
  EXPECT_THAT(told, ElementsAre(AllOf(HasSubstr("cannot append"), HasSubstr("No space"), HasSubstr("the run goes on"), HasSubstr("fix: ")),
                                HasSubstr("can be written again: 4 line(s)")));
}

TEST_F(LinesOfAFile, AreToldOfOnceEachTime) {
  LineFile lines(path, tell);
  for (int round = 0; round < 2; ++round) {
    {
      const Limit limit(text_of(path).size());
      for (int n = 0; n < 100; ++n) lines.append("line\n");
    }
    lines.sync();
  }
  EXPECT_EQ(told.size(), 4U);
  EXPECT_EQ(text_of(path).size(), 200U * 5);
}

TEST_F(LinesOfAFile, TakeNoMoreMemoryThanTheyMayAndAreCounted) {
  LineFile lines(path, tell, 30);
  {
    const Limit limit(0);
    for (int n = 0; n < 10; ++n) lines.append("0123456789abcd\n");
  }
  EXPECT_THAT(told, ElementsAre(HasSubstr("cannot append"), HasSubstr("later ones are left out")));
  lines.append("end\n");
  EXPECT_EQ(text_of(path), "0123456789abcd\n0123456789abcd\nend\n");
  try {
    lines.expect_all_written();
    FAIL();
  } catch (const WriteError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("8 line(s) could not be written, 8 of them for want of memory"));
  }
}

TEST_F(LinesOfAFile, CanBeADevice) {
  LineFile full("/dev/full", tell);
  full.append("x\n");
  full.sync();
  EXPECT_THROW(full.expect_all_written(), WriteError);
  EXPECT_THAT(told, ElementsAre(HasSubstr("No space left on device")));
  LineFile nothing("/dev/null", tell);
  nothing.append("x\n");
  nothing.sync();
  EXPECT_NO_THROW(nothing.expect_all_written());
}

TEST_F(LinesOfAFile, AreWholeWhenTheFileIsOpenedAgain) {
  std::ofstream(path) << "one\ntwo\ntor";
  LineFile(path, tell).append("three\n");
  EXPECT_EQ(text_of(path), "one\ntwo\nthree\n");
}

}  // namespace
}  // namespace trellis
