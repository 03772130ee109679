#include "report/token_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/errors.h"
#include "tests/scratch_folder.h"

namespace trellis {
namespace {

class TokenLogTest : public testing::Test {
 protected:
  TokenLogTest() : path_(scratch_folder() / "token_log") { std::filesystem::remove(path_); }
  ~TokenLogTest() override { std::filesystem::remove(path_); }
  std::filesystem::path path_;
};

TEST(EscapeToken, LeavesWordsAndEscapesWhatWouldBreakATable) {
  EXPECT_EQ(escape_token("naïve 語 <unk>"), "naïve 語 <unk>");
  EXPECT_EQ(escape_token("\t\n\r\\"), "\\t\\n\\r\\\\");
  EXPECT_EQ(escape_token(std::string_view("\0\x7F\x1B", 3)), "\\x00\\x7F\\x1B");
  EXPECT_EQ(escape_token("\xFF\xC3"), "\\xFF\\xC3");         // no UTF-8, and one cut off
  EXPECT_EQ(escape_token("\xC3(\xE2\x82\xAC"), "\\xC3(€");  // a broken sequence takes only its first byte
}

TEST_F(TokenLogTest, WritesATableWithAllDigits) {
  TokenLog log(path_);
  log.write(7, 3, "a\tb", -0.1);
  log.write(8, 0, "<eos>", -12.5);
  log.finish();
  std::stringstream text;
  text << std::ifstream(path_).rdbuf();
  EXPECT_EQ(text.str(), "position\tid\ttoken\tlog_probability\n7\t3\ta\\tb\t-0.10000000000000001\n8\t0\t<eos>\t-12.5\n");
}

TEST_F(TokenLogTest, OverwritesNothing) {
  std::ofstream(path_) << "mine";
  EXPECT_THROW(TokenLog{path_}, OutputExistsError);
  EXPECT_EQ(std::filesystem::file_size(path_), 4u);
  EXPECT_THROW(TokenLog{path_ / "below a file"}, WriteError);
}

TEST_F(TokenLogTest, AnUnfinishedOneIsRemoved) {
  { TokenLog log(path_); }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace trellis
