// comm/threads/thread_backend.h, and with it comm/process_group.h: every operation over awkward numbers of ranks and sizes.
#include "comm/threads/thread_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "base/errors.h"
#include "tests/comm/backend_test_helpers.h"

namespace trellis {
namespace {

using namespace testing_support;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ThreadRanks : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, ThreadRanks, ::testing::Values(1, 2, 4, 7));

TEST_P(ThreadRanks, AllReduceGivesEveryRankTheReduction) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) {
    for (const auto size : kSizes)
      for (const auto dtype : kReducibleTypes) check_all_reduce(group, size, dtype);
    check_bool_all_reduce(group, 1000);
  });
}

TEST_P(ThreadRanks, ReduceScatterGivesEachRankItsPart) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) {
    for (const auto size : kSizes)
      for (const auto dtype : kReducibleTypes) check_reduce_scatter(group, size, dtype);
  });
}

TEST_P(ThreadRanks, BroadcastGivesEveryRankTheRootsTensor) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) {
    for (const auto size : kSizes)
      for (const auto dtype : kMovableTypes) check_broadcast(group, size, dtype);
  });
}

TEST_P(ThreadRanks, AllGatherConcatenatesInRankOrder) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) {
    for (const auto size : kSizes)
      for (const auto dtype : kMovableTypes) check_all_gather(group, size, dtype);
  });
}

TEST_P(ThreadRanks, AllToAllGivesEachRankItsRowsOfEveryRank) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) {
    for (const std::int64_t width : {1, 3, 1000})
      for (const auto dtype : kMovableTypes) check_all_to_all(group, width, dtype);
    check_empty_all_to_all(group);
    check_errors_of_unfit_rows(group);
  });
}

TEST_P(ThreadRanks, MessagesAreToldApartByTag) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) {
    for (const auto size : kSizes)
      for (const auto dtype : kMovableTypes) check_ring_messages(group, size, dtype);
  });
}

TEST_P(ThreadRanks, OperationsMayBeUnderWayTogether) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) { check_concurrent_operations(group, 1000); });
}

TEST_P(ThreadRanks, SumsAreTakenInRankOrder) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) { check_bits_of_sums(group, 10007); });
}

TEST_P(ThreadRanks, ReductionsKeepNan) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) { check_reduction_with_nan(group); });
}

TEST_P(ThreadRanks, UnfitTensorsAreRefusedByName) {
  run_thread_ranks(GetParam(), [](const ProcessGroup& group, int) { check_errors_of_unfit_tensors(group); });
}

TEST_P(ThreadRanks, BarrierHoldsEveryoneUntilTheLastHasCome) {
  std::atomic<int> arrived = 0;
  const int ranks = GetParam();
  run_thread_ranks(ranks, [&](const ProcessGroup& group, int rank) {
    for (int round = 1; round <= 3; ++round) {
      if (rank == round % ranks) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      ++arrived;
      group.barrier();
      EXPECT_EQ(arrived, round * ranks);
      group.barrier();
    }
  });
}

TEST(ThreadRanksFailing, AnExceptionReleasesTheOthersAndIsTheOneThrown) {
  std::atomic<int> released = 0;
  const auto run = [&] {
    run_thread_ranks(4, [&](const ProcessGroup& group, int rank) {
      if (rank == 2) throw std::runtime_error("rank two has had enough");
      try {
        if (rank == 0) group.start_receive(at::zeros({1}), 2).wait();
        group.all_reduce(at::zeros({1}), Reduction::sum);
      } catch (const InternalError& error) {
        EXPECT_THAT(error.what(), HasSubstr("rank 2 failed: rank two has had enough"));
        ++released;
        throw;
      }
    });
  };
  EXPECT_THAT(run, ::testing::ThrowsMessage<std::runtime_error>("rank two has had enough"));
  EXPECT_EQ(released, 3);
}

TEST(ThreadRanksFailing, DifferentCollectivesAreNamedOnEveryRank) {
  std::atomic<int> noticed = 0;
  run_thread_ranks(3, [&](const ProcessGroup& group, int rank) {
    const std::string message = message_of(ExitCode::internal, [&] { group.all_reduce(at::zeros({rank == 1 ? 5 : 4}), Reduction::sum); });
    EXPECT_THAT(message, AllOf(HasSubstr("rank 0 brings ALLREDUCE (0) of 16 bytes of Float"), HasSubstr("rank 1 brings ALLREDUCE (0) of 20 bytes")));
    ++noticed;
  });
  EXPECT_EQ(noticed, 3);
}

TEST(ThreadRanksFailing, RowsThatTheReceiverDoesNotExpectAreRefused) {
  run_thread_ranks(2, [&](const ProcessGroup& group, int rank) {
    const at::Tensor two = at::zeros({2, 3}), one = at::zeros({1, 3});
    const std::string message = message_of(ExitCode::internal, [&] {
      if (rank == 0)
        group.all_to_all(one, two, {0, 1}, {0, 2});
      else
        group.all_to_all(one, one, {1, 0}, {1, 0});
    });
    EXPECT_THAT(message, HasSubstr("rank 0 sends 24 bytes to rank 1, which expects 12"));
  });
}

TEST(ThreadRanksFailing, AMessageOfAnotherSizeIsRefused) {
  run_thread_ranks(2, [&](const ProcessGroup& group, int rank) {
    if (rank == 0) return group.start_send(at::zeros({3}), 1).wait();
    EXPECT_THAT(message_of(ExitCode::internal, [&] { group.start_receive(at::zeros({2}), 0).wait(); }),
                HasSubstr("Float [3] was sent, Float [2] expected"));
  });
}

}  // namespace
}  // namespace trellis
