// A process that ends itself: by a wait that lasts too long, and by a request to stop that nobody looks at.
#include "base/self_watch.h"

#include <gmock/gmock.h>

#include <csignal>
#include <cstdio>
#include <optional>

#include "base/last_words.h"
#include "base/stop_request.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;
using testing::ExitedWithCode;

void sleep_for(std::chrono::milliseconds time) { std::this_thread::sleep_for(time); }

class SelfWatching : public testing::Test {
 protected:
  SelfWatching() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(SelfWatching, AWaitThatLastsTooLongEndsTheProcess) {
  const auto wait = [] {
    SelfWatch watch;
    const SelfWatch::Wait within(watch, "something longer", 1min);
    const SelfWatch::Wait waiting(watch, "MPI's start", 200ms);
    sleep_for(20s);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(76), "watchdog: .* has waited for other ranks in MPI's start longer than 200ms");
}

TEST_F(SelfWatching, AWaitThatEndsInTimeDoesNot) {
  const auto wait = [] {
    SelfWatch watch;
    std::optional<SelfWatch::Wait> waiting(std::in_place, watch, "MPI's start", 300ms);
    sleep_for(50ms);
    waiting.reset();
    sleep_for(600ms);
    std::_Exit(3);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(3), "");
}

TEST_F(SelfWatching, ARequestToStopThatNobodyLooksAtEndsTheProcess) {
  const auto work = [] {
    const SelfWatch watch(200ms);
    note_signal(SIGTERM);
    sleep_for(20s);
  };
  EXPECT_EXIT(work(), ExitedWithCode(75), "stopped by SIGTERM, with nothing to save");
}

TEST_F(SelfWatching, WorkThatAnswersRequestsHasItsTime) {
  const auto work = [] {
    const SelfWatch watch(200ms);
    {
      const AnswersStops answers;
      note_signal(SIGTERM);
      sleep_for(800ms);
    }
    std::_Exit(3);  // at once, as nobody answers any more
  };
  EXPECT_EXIT(work(), ExitedWithCode(3), "");
}

TEST_F(SelfWatching, LastWordsAreSaidOnceWithTheCode) {
  const auto wait = [] {
    const LastWords words([](ExitCode code) { std::fprintf(stderr, "last words %d\n", static_cast<int>(code)); });
    SelfWatch watch;
    const SelfWatch::Wait waiting(watch, "MPI's end", 100ms);
    sleep_for(20s);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(76), "last words 76\n$");
}

TEST_F(SelfWatching, LastWordsThatHangDoNotKeepTheProcess) {
  const auto wait = [] {
    const LastWords words([](ExitCode) { sleep_for(1min); });
    SelfWatch watch;
    const SelfWatch::Wait waiting(watch, "MPI's end", 100ms);
    sleep_for(20s);
    std::_Exit(3);
  };
  EXPECT_EXIT(wait(), ExitedWithCode(76), "");
}

TEST(LastWordsTest, AreNotSaidWhenTheirRunIsOver) {
  int said = 0;
  {
    const LastWords words([&](ExitCode) { ++said; });
  }
  say_last_words(ExitCode::internal);
  EXPECT_EQ(said, 0);
  const LastWords words([&](ExitCode) { ++said; });
  say_last_words(ExitCode::internal);
  say_last_words(ExitCode::internal);
  EXPECT_EQ(said, 1);
}

}  // namespace
}  // namespace trellis
