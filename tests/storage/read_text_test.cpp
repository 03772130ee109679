#include "storage/read_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/stop_request.h"
#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::StartsWith;

TEST(ReadText, TakesAFileWholeUpToALimit) {
  const TemporaryDirectory directory;
  put_file(directory / "f", std::string("a\0b", 3));
  EXPECT_EQ(read_text(directory / "f", 3, "fix"), std::string("a\0b", 3));
  EXPECT_THAT(error_of([&] { read_text(directory / "f", 2, "fix"); }), StartsWith("65: the file has 3 bytes, expected at most 2"));
  fs::create_symlink("f", directory / "link");
  EXPECT_THAT(error_of([&] { read_text(directory / "link", 3, "fix"); }), StartsWith("65: is a symbolic link"));
  EXPECT_THAT(error_of([&] { read_text(directory / "none", 3, "fix"); }), StartsWith("66: "));
}

class Pipe : public testing::Test {
 protected:
  Pipe() { EXPECT_EQ(::pipe(ends), 0); }
  ~Pipe() override {
    for (const int end : ends) ::close(end);
  }
  int ends[2];
  std::string text;
};

TEST_F(Pipe, IsReadToItsEndWhenWhoWritesIsSlow) {
  std::thread writer([&] {
    for (const char* part : {"one", ", two", ", three"}) {
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
      EXPECT_GT(::write(ends[1], part, strlen(part)), 0);
    }
    ::close(std::exchange(ends[1], -1));
  });
  EXPECT_EQ(read_to_end(ends[0], 1000, text), 0);
  writer.join();
  EXPECT_EQ(text, "one, two, three");
}

TEST_F(Pipe, IsLeftWhenThereIsMoreThanMayBe) {
  std::thread writer([&] {
    const std::string much(60'000, 'x');
    for (int n = 0; n < 3; ++n) {
      if (::write(ends[1], much.data(), much.size()) < 0) break;
    }
  });
  EXPECT_EQ(read_to_end(ends[0], 100'000, text), 0);
  EXPECT_GT(text.size(), 100'000U);
  std::string rest(200'000, ' ');
  while (text.size() < 180'000) {
    const ssize_t got = ::read(ends[0], rest.data(), rest.size());
    ASSERT_GT(got, 0);
    text.append(rest, 0, static_cast<std::size_t>(got));
  }
  writer.join();
}

TEST_F(Pipe, IsWaitedForUntilAStopIsAskedFor) {
  std::thread asker([] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    note_signal(SIGTERM);
  });
  EXPECT_THROW(static_cast<void>(read_to_end(ends[0], 1000, text)), StopRequested);
  asker.join();
  forget_requests();
}

TEST(ReadToEnd, GivesTheReasonOfAFailedRead) {
  const TemporaryDirectory directory;
  std::string text;
  const int folder = ::open(directory.path().c_str(), O_RDONLY);
  EXPECT_EQ(read_to_end(folder, 1000, text), EISDIR);
  ::close(folder);
}

}  // namespace
}  // namespace trellis
