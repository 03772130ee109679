// comm/faults/watchdog.h with short limits, and a callback in place of the end of the process.
#include "comm/faults/watchdog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "comm/process_group.h"
#include "comm/threads/thread_backend.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Watchdog, ReportsTheScopeThatOutlivesTheTimeout) {
  std::promise<Watchdog::Report> reported;
  Watchdog watchdog(3, 50ms, [&](const Watchdog::Report& report) { reported.set_value(report); });
  { const Watchdog::Guard finished(&watchdog, "quick"); }
  const auto start = std::chrono::steady_clock::now();
  const Watchdog::Guard slow(&watchdog, "all_reduce of gradients");
  auto future = reported.get_future();
  ASSERT_EQ(future.wait_for(10s), std::future_status::ready);
  const Watchdog::Report report = future.get();
  EXPECT_GE(std::chrono::steady_clock::now() - start, 50ms);
  EXPECT_EQ(report.rank, 3);
  EXPECT_EQ(report.sequence_number, 2u);
  EXPECT_FALSE(report.host.empty());
  EXPECT_THAT(report.text(), AllOf(HasSubstr("rank 3 on " + report.host), HasSubstr("all_reduce of gradients"), HasSubstr("operation 2"), HasSubstr("50ms")));
}

TEST(Watchdog, IsSilentAboutScopesThatEndInTime) {
  std::atomic<int> reports = 0;
  Watchdog watchdog(0, 200ms, [&](const Watchdog::Report&) { ++reports; });
  for (int i = 0; i < 40; ++i) {  // together longer than the timeout
    const Watchdog::Guard guard(&watchdog, "step");
    std::this_thread::sleep_for(10ms);
  }
  std::this_thread::sleep_for(250ms);
  EXPECT_EQ(reports, 0);
}

TEST(Watchdog, ReportsEachOfSeveralScopesOnce) {
  std::atomic<int> reports = 0;
  Watchdog watchdog(0, 20ms, [&](const Watchdog::Report&) { ++reports; });
  {
    const Watchdog::Guard one(&watchdog, "one"), two(&watchdog, "two");
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(reports, 2);
  }
  {
    const Watchdog::Guard three(&watchdog, "three");
    std::this_thread::sleep_for(200ms);
    EXPECT_EQ(reports, 3);
  }
}

// Guards that come and go while the watchdog waits for an earlier one's deadline must not make it miss a later one's.
TEST(Watchdog, NoticesTheLastOfManyScopes) {
  for (int time = 0; time < 10; ++time) {
    std::promise<std::string> reported;
    Watchdog watchdog(0, 30ms, [&](const Watchdog::Report& report) { reported.set_value(report.name); });
    std::vector<std::string> memory;
    for (int i = 0; i < 300; ++i) {
      const Watchdog::Guard guard(&watchdog, "short " + std::to_string(i));
      memory.push_back(std::string(static_cast<std::size_t>(40 + i % 60), '\x7f'));  // takes the places of what the guards leave
    }
    const Watchdog::Guard slow(&watchdog, "slow");
    auto future = reported.get_future();
    ASSERT_EQ(future.wait_for(10s), std::future_status::ready);
    EXPECT_EQ(future.get(), "slow");
  }
}

// A shorter one wakes the watchdog from its wait for an earlier guard, which keeps its own.
TEST(Watchdog, TakesAnotherTimeoutForTheScopesToCome) {
  std::promise<Watchdog::Report> reported;
  Watchdog watchdog(0, 10min, [&](const Watchdog::Report& report) { reported.set_value(report); });
  const Watchdog::Guard old(&watchdog, "old");
  std::this_thread::sleep_for(20ms);  // the watchdog waits for it
  watchdog.set_timeout(50ms);
  EXPECT_EQ(watchdog.timeout(), 50ms);
  const Watchdog::Guard quick(&watchdog, "quick");
  auto future = reported.get_future();
  ASSERT_EQ(future.wait_for(10s), std::future_status::ready);
  const Watchdog::Report report = future.get();
  EXPECT_EQ(report.name, "quick");
  EXPECT_EQ(report.timeout, 50ms);
}

TEST(Watchdog, IsPatientOnceItsTimeoutIsLonger) {
  std::atomic<int> reports = 0;
  Watchdog watchdog(0, 30ms, [&](const Watchdog::Report&) { ++reports; });
  watchdog.set_timeout(10min);
  const Watchdog::Guard guard(&watchdog, "slow");
  std::this_thread::sleep_for(150ms);
  EXPECT_EQ(reports, 0);
}

TEST(Watchdog, NoWatchdogMonitorsNothing) {
  const Watchdog::Guard guard(nullptr, "free");
}

TEST(Watchdog, NamesTheCollectiveOfAGroup) {
  std::promise<std::string> reported;
  std::atomic<bool> once = false;
  Watchdog watchdog(0, 50ms, [&](const Watchdog::Report& report) {
    if (!once.exchange(true)) reported.set_value(report.name);
  });
  std::string name;
  run_thread_ranks(2, [&](const BackendPtr& backend, int rank) {
    const ProcessGroup group(backend, "data", rank == 0 ? &watchdog : nullptr);
    if (rank == 1) name = reported.get_future().get();  // comes late to the collective
    group.all_reduce(at::zeros({2, 3}), Reduction::sum);
  });
  EXPECT_EQ(name, "all_reduce 1 of Float [2, 3] in group data");
}

TEST(WatchdogDeathTest, EndsTheProcessWithItsExitCode) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        Watchdog watchdog(1, 20ms);
        const Watchdog::Guard guard(&watchdog, "barrier");
        std::this_thread::sleep_for(10s);
      },
      ::testing::ExitedWithCode(76), "barrier \\(operation 1\\) has not ended within 20ms; ending this process");
}

}  // namespace
}  // namespace trellis
