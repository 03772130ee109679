#include "plan/thread_share.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Processors on(std::vector<int> allowed, int machine, std::optional<double> quota = {}) {
  return {.machine = machine, .allowed = std::move(allowed), .quota = quota};
}
std::vector<int> first(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

TEST(ThreadShare, PartsAMachineEvenlyAmongUnboundRanks) {
  for (int ranks = 1; ranks <= 20; ++ranks) {
    const std::vector<Processors> machine(static_cast<std::size_t>(ranks), on(first(16), 16));
    for (std::size_t own = 0; own < machine.size(); ++own) EXPECT_EQ(thread_share(machine, own).threads, std::max(1, 16 / ranks)) << ranks;
  }
}

TEST(ThreadShare, GivesABoundRankItsOwnProcessors) {
  const std::vector<Processors> machine{on({0}, 64), on({1, 2, 3}, 64)};
  EXPECT_EQ(thread_share(machine, 0).threads, 1);
  EXPECT_EQ(thread_share(machine, 1).threads, 3);
  EXPECT_EQ(thread_share(machine, 0).unbound, 32);
}

TEST(ThreadShare, CountsAProcessorOnceAmongThoseThatShareIt) {
  // two ranks in a container of four processors of a machine of 64; a third rank apart
  const std::vector<Processors> machine{on({4, 5, 6, 7}, 64), on({4, 5, 6, 7}, 64), on({8, 9}, 64)};
  EXPECT_EQ(thread_share(machine, 0).threads, 2);
  EXPECT_EQ(thread_share(machine, 2).threads, 2);
  const std::vector<Processors> overlapping{on({0, 1, 2}, 4), on({2, 3}, 4)};
  EXPECT_EQ(thread_share(overlapping, 0).threads, 2);
  EXPECT_EQ(thread_share(overlapping, 1).threads, 1);
}

TEST(ThreadShare, StaysWithinTheTimeOfTheControlGroup) {
  for (const auto& [quota, ranks, threads] : std::vector<std::tuple<double, int, int>>{
           {0.5, 1, 1}, {1.9, 1, 1}, {2, 1, 2}, {3.99, 2, 1}, {4, 2, 2}, {100, 2, 8}, {0.1, 4, 1}}) {
    const std::vector<Processors> machine(static_cast<std::size_t>(ranks), on(first(16), 16, quota));
    EXPECT_EQ(thread_share(machine, 0).threads, threads) << quota << " for " << ranks;
    EXPECT_EQ(thread_share(machine, 0).unlimited, 16 / ranks);
  }
}

std::string remark(const std::vector<Processors>& machine, bool launched) {
  return thread_share_remark(thread_share(machine, 0), machine[0], machine.size(), launched);
}

TEST(ThreadShareRemark, NamesTheOneThingThatWouldGiveMore) {
  EXPECT_THAT(remark({on({0}, 64), on({1}, 64)}, true), testing::AllOf(HasSubstr("1 of the machine's 64"), HasSubstr("mpirun --bind-to none would give 32")));
  EXPECT_THAT(remark({on({0}, 64)}, false), testing::AllOf(HasSubstr("taskset"), HasSubstr("would give 64")));
  EXPECT_THAT(remark({on(first(8), 8, 2.5)}, false), testing::AllOf(HasSubstr("grants 2.5 of 8"), HasSubstr("2 thread(s)"), HasSubstr("up to 8")));
}

TEST(ThreadShareRemark, IsSilentWhereNothingIsWithheld) {
  EXPECT_THAT(remark({on(first(8), 8)}, false), IsEmpty());
  EXPECT_THAT(remark({on({0}, 2), on({1}, 2)}, true), IsEmpty());           // bound, but to its share
  EXPECT_THAT(remark({on(first(8), 8, 16.0)}, false), IsEmpty());           // a limit above the machine
  EXPECT_THAT(remark({on(first(2), 2), on(first(2), 2), on(first(2), 2)}, true), IsEmpty());
}

TEST(ThreadsBeside, LeaveAProcessorToWhoTakesHalfOfItOrMore) {
  EXPECT_EQ(threads_beside(0, 2, 2), 2);
  EXPECT_EQ(threads_beside(0.3, 2, 2), 2);
  EXPECT_EQ(threads_beside(0.67, 2, 2), 1);  // what one busy process gets beside two threads
  EXPECT_EQ(threads_beside(1, 2, 2), 1);
  EXPECT_EQ(threads_beside(2, 2, 2), 1);
  EXPECT_EQ(threads_beside(50, 2, 2), 1);
  EXPECT_EQ(threads_beside(1, 8, 8), 7);
  EXPECT_EQ(threads_beside(4, 8, 4), 4);  // another rank beside this one, each with half of the machine
  EXPECT_EQ(threads_beside(0, 64, 8), 8);
}

}  // namespace
}  // namespace trellis
