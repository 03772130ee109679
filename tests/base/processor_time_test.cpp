#include "base/processor_time.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/processors.h"

namespace trellis {
namespace {

//                       user nice system idle iowait irq softirq steal guest
constexpr const char* kStat =
    "cpu  111 22 33 44 5 6 7 8 0 0\ncpu0 100 20 30 4000 50 6 7 8 0 0\ncpu1 11 2 3 44 5 0 0 0 0 0\ncpu10 1 0 0 0 0 0 0 0 0 0\nintr 5 cpu3\n";

TEST(BusyTime, AddsWhatIsNeitherIdleNorWaiting) {
  EXPECT_DOUBLE_EQ(busy_time(kStat, std::vector{0}, 100)->busy, 1.71);
  EXPECT_DOUBLE_EQ(busy_time(kStat, std::vector{0}, 100)->polite, 0.2);
  EXPECT_DOUBLE_EQ(busy_time(kStat, std::vector{1, 10}, 100)->busy, 0.17);
}

TEST(BusyTime, IsUnknownWhereAProcessorIsNotToldOf) {
  EXPECT_FALSE(busy_time(kStat, std::vector{0, 3}, 100));
  EXPECT_FALSE(busy_time("", std::vector{0}, 100));
  EXPECT_FALSE(busy_time("intr 5\n", std::vector{0}, 100));
}

TEST(TakenByOthers, IsTheWorkOfOthersOverTime) {
  EXPECT_DOUBLE_EQ(taken_by_others({.busy = 10, .own = 3, .wall = 100}, {.busy = 13, .own = 5, .wall = 102}), 0.5);
  EXPECT_EQ(taken_by_others({.busy = 10, .own = 3, .wall = 100}, {.busy = 11, .own = 5, .wall = 101}), 0);  // counters of ticks
  EXPECT_EQ(taken_by_others({}, {}), 0);
}

TEST(ProcessorTime, CountsThisProcessAmongTheBusy) {
  const std::vector<int> allowed = processors_of_this_process().allowed;
  const auto before = processor_time(allowed);
  if (!before) GTEST_SKIP() << "/proc/stat does not tell";
  auto after = before;
  while (after->own - before->own < 0.2) after = processor_time(allowed);
  EXPECT_GT(after->wall, before->wall);
  EXPECT_GT(after->busy - before->busy, 0.1);
}

}  // namespace
}  // namespace trellis
