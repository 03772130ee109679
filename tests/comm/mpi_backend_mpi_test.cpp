// comm/mpi/mpi_backend.h over real MPI ranks, through shared memory and through messages; comm/faults/rendezvous.h; make_backend.
#include "comm/mpi/mpi_backend.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "comm/cuda_module.h"
#include "comm/faults/rendezvous.h"
#include "tests/comm/backend_test_helpers.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

using namespace testing_support;
using ::testing::HasSubstr;

class MpiRanks : public ::testing::TestWithParam<MpiBackend::Path> {
 protected:
  MpiBackend::Options options() const {
    MpiBackend::Options options;
    options.path = GetParam();
    options.timeout = std::chrono::minutes(1);
    return options;
  }
  ProcessGroup group() const { return ProcessGroup(c10::make_intrusive<MpiBackend>(Communicator::world(), options())); }
};
INSTANTIATE_TEST_SUITE_P(Paths, MpiRanks, ::testing::Values(MpiBackend::Path::automatic, MpiBackend::Path::messages),
                         [](const auto& path) { return path.param == MpiBackend::Path::automatic ? "automatic" : "messages"; });

TEST_P(MpiRanks, AllReduceGivesEveryRankTheReduction) {
  const ProcessGroup ranks = group();
  for (const auto size : kSizes)
    for (const auto dtype : kReducibleTypes) check_all_reduce(ranks, size, dtype);
  check_bool_all_reduce(ranks, 1000);
}

TEST_P(MpiRanks, AllReduceOfManySegments) {
  const ProcessGroup ranks = group();
  for (const std::int64_t size : {131'071, 131'072, 131'073, 400'003}) check_all_reduce(ranks, size, at::kFloat);
  check_all_reduce(ranks, 1'500'001, at::kByte);
  check_all_reduce(ranks, 2'200'011, at::kFloat);  // also more than one segment of the messages
}

// Buffers of shared memory alternate from one segment to the next: whatever follows whatever must find them free.
TEST_P(MpiRanks, SmallAndLargeCollectivesMayFollowEachOtherInAnyOrder) {
  const ProcessGroup ranks = group();
  for (int round = 0; round < 60; ++round) {
    const std::int64_t size = std::vector<std::int64_t>{3, 5000, 300'000, 2048, 140'000}[(round * round + round / 7) % 5];
    const at::Tensor tensor = at::full({size}, ranks.rank() + round, at::kLong);
    ranks.all_reduce(tensor, Reduction::sum);
    const std::int64_t n = ranks.size(), expected = n * round + n * (n - 1) / 2;
    ASSERT_TRUE(tensor.eq(expected).all().item<bool>()) << "round " << round;
    if (round % 4 == ranks.rank()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_P(MpiRanks, ReduceScatterGivesEachRankItsPart) {
  const ProcessGroup ranks = group();
  for (const auto size : kSizes)
    for (const auto dtype : kReducibleTypes) check_reduce_scatter(ranks, size, dtype);
  check_reduce_scatter(ranks, 600'017, at::kDouble);
}

TEST_P(MpiRanks, BroadcastGivesEveryRankTheRootsTensor) {
  const ProcessGroup ranks = group();
  for (const auto size : kSizes)
    for (const auto dtype : kMovableTypes) check_broadcast(ranks, size, dtype);
}

TEST_P(MpiRanks, AllGatherConcatenatesInRankOrder) {
  const ProcessGroup ranks = group();
  for (const auto size : kSizes)
    for (const auto dtype : kMovableTypes) check_all_gather(ranks, size, dtype);
}

TEST_P(MpiRanks, AllGatherMayHaveItsInputInPlace) {
  const ProcessGroup ranks = group();
  const at::Tensor output = at::zeros({ranks.size(), 100}), input = output[ranks.rank()];
  input.fill_(ranks.rank() + 1);
  ranks.all_gather(output, input);
  for (int r = 0; r < ranks.size(); ++r) EXPECT_TRUE(output[r].eq(r + 1).all().item<bool>());
}

TEST_P(MpiRanks, AllToAllGivesEachRankItsRowsOfEveryRank) {
  const ProcessGroup ranks = group();
  for (const std::int64_t width : {1, 3, 1000})
    for (const auto dtype : kMovableTypes) check_all_to_all(ranks, width, dtype);
  check_all_to_all(ranks, 300'007, at::kFloat);
  check_empty_all_to_all(ranks);
  check_errors_of_unfit_rows(ranks);
}

TEST_P(MpiRanks, MessagesAreToldApartByTag) {
  const ProcessGroup ranks = group();
  for (const auto size : kSizes)
    for (const auto dtype : kMovableTypes) check_ring_messages(ranks, size, dtype);
  check_ring_messages(ranks, 2'000'003, at::kFloat);  // larger than MPI sends without the receiver
}

TEST_P(MpiRanks, OperationsMayBeUnderWayTogether) {
  const ProcessGroup ranks = group();
  check_concurrent_operations(ranks, 10);
  check_concurrent_operations(ranks, 500'000);
}

TEST_P(MpiRanks, SumsAreTakenInRankOrder) {
  const ProcessGroup ranks = group();
  for (const std::int64_t size : {7, 5000, 150'001}) check_bits_of_sums(ranks, size);
}

TEST_P(MpiRanks, ReductionsKeepNan) { check_reduction_with_nan(group()); }

TEST_P(MpiRanks, UnfitTensorsAreRefusedByName) { check_errors_of_unfit_tensors(group()); }

TEST_P(MpiRanks, LargeMessagesAreCut) {
  MpiBackend::Options small = options();
  small.largest_message_bytes = 1000;
  const ProcessGroup ranks = ProcessGroup(c10::make_intrusive<MpiBackend>(Communicator::world(), small));
  check_all_reduce(ranks, 10007, at::kInt);
  check_reduce_scatter(ranks, 10007, at::kDouble);
  check_broadcast(ranks, 10007, at::kLong);
  check_all_gather(ranks, 10007, at::kFloat);
  check_all_to_all(ranks, 10007, at::kBFloat16);
  check_ring_messages(ranks, 10007, at::kFloat);
}

TEST_P(MpiRanks, BarrierHoldsEveryoneUntilTheLastHasCome) {
  const ProcessGroup ranks = group();
  const auto start = std::chrono::steady_clock::now();
  if (ranks.rank() == ranks.size() - 1) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  ranks.barrier();
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(50));
}

TEST_P(MpiRanks, AnOperationThatTheOthersDoNotJoinTimesOut) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) return;  // one rank waits for nobody
  MpiBackend::Options hasty = options();
  hasty.timeout = std::chrono::milliseconds(100);
  auto backend = c10::make_intrusive<MpiBackend>(world, hasty);
  const ProcessGroup ranks(backend);
  if (world.rank() == 0) {
    const at::Tensor tensor = at::zeros({10});
    EXPECT_THAT(message_of(ExitCode::watchdog, [&] { ranks.all_reduce(tensor, Reduction::sum); }),
                HasSubstr("ALLREDUCE on rank 0 of " + std::to_string(world.size()) + " has not ended within its timeout"));
    EXPECT_THAT(message_of(ExitCode::watchdog, [&] { ranks.start_broadcast(tensor, 0).wait(); }), HasSubstr("ALLREDUCE on rank 0"))
        << "what comes after a failure fails alike";
    EXPECT_THAT(message_of(ExitCode::watchdog, [&] { ranks.start_receive(tensor, 1).wait(); }), HasSubstr("RECV on rank 0"));
  }
  world.barrier();
}

TEST(MpiRanksOfOneNode, RanksThatDisagreeAreToldSo) {
  const Communicator world = Communicator::world();
  auto backend = c10::make_intrusive<MpiBackend>(world);
  const ProcessGroup ranks(backend);
  if (world.size() == 1) {
    EXPECT_FALSE(backend->uses_shared_memory());
    return;
  }
  ASSERT_TRUE(backend->uses_shared_memory()) << "the tests' ranks share one node";
  const std::string message =
      message_of(ExitCode::internal, [&] { ranks.all_reduce(at::zeros({world.rank() == 1 ? 300'000 : 10}), Reduction::sum); });
  EXPECT_THAT(message, ::testing::AllOf(HasSubstr("brings 40 bytes of Float"), HasSubstr("brings 1200000 bytes of Float")));
}

// Each rank that can see it says so; a rank that only waits for others might not, hence barriers of MPI's own here.
class RanksOutOfOrder : public MpiRanks {
 protected:
  // Rank 1 does `other`, all others `usual`: every rank throws an error that says what it should.
  void check(const std::function<void(const ProcessGroup&)>& usual, const std::function<void(const ProcessGroup&)>& other,
             const std::string& usual_text, const std::string& other_text) {
    const Communicator world = Communicator::world();
    if (world.size() != 2) return;
    const ProcessGroup ranks = group();
    ranks.barrier();
    const std::string message = message_of(ExitCode::internal, [&] { world.rank() == 1 ? other(ranks) : usual(ranks); });
    EXPECT_THAT(message, ::testing::AnyOf(HasSubstr(usual_text), HasSubstr(other_text)));
    world.barrier();
  }
};
INSTANTIATE_TEST_SUITE_P(Paths, RanksOutOfOrder, ::testing::Values(MpiBackend::Path::automatic, MpiBackend::Path::messages),
                         [](const auto& path) { return path.param == MpiBackend::Path::automatic ? "automatic" : "messages"; });

TEST_P(RanksOutOfOrder, AnotherCollectiveIsNamed) {
  const at::Tensor tensor = at::zeros({1000}), whole = at::zeros({2000});
  check([&](const ProcessGroup& ranks) { ranks.all_reduce(tensor, Reduction::sum); },
        [&](const ProcessGroup& ranks) { ranks.all_gather(whole, tensor); }, "is all_reduce of 4000 bytes of Float on rank 0, but on rank 1 it is all_gather",
        "is all_gather of 4000 bytes of Float on rank 1, but on rank 0 it is all_reduce");
  check([&](const ProcessGroup& ranks) { ranks.all_to_all(whole, whole, {1000, 1000}, {1000, 1000}); },
        [&](const ProcessGroup& ranks) { ranks.reduce_scatter(tensor, whole, Reduction::sum); }, "but on rank 1 it is reduce_scatter",
        "but on rank 0 it is all_to_all");
}

TEST_P(RanksOutOfOrder, AnotherSizeOrTypeIsNamed) {
  const at::Tensor tensor = at::zeros({1000}), whole = at::zeros({2000});
  check([&](const ProcessGroup& ranks) { ranks.all_gather(whole, tensor); },
        [&](const ProcessGroup& ranks) { ranks.all_gather(at::zeros({20}), at::zeros({10})); }, "all_gather of another size, dtype or argument",
        "all_gather of another size, dtype or argument");
  check([&](const ProcessGroup& ranks) { ranks.reduce_scatter(tensor, whole, Reduction::sum); },
        [&](const ProcessGroup& ranks) { ranks.reduce_scatter(tensor.to(at::kInt), whole.to(at::kInt), Reduction::sum); },
        "reduce_scatter of another size, dtype or argument", "reduce_scatter of another size, dtype or argument");
}

TEST_P(RanksOutOfOrder, ACollectiveTooManyIsNoticed) {
  const at::Tensor tensor = at::zeros({1000});
  check([&](const ProcessGroup& ranks) { ranks.all_reduce(tensor, Reduction::sum); },
        [&](const ProcessGroup& ranks) {
          ranks.start_all_reduce(at::zeros({1001}), Reduction::sum).wait();
          ranks.all_reduce(tensor, Reduction::sum);
        },
        GetParam() == MpiBackend::Path::automatic ? "rank 1 brings 4004 bytes of Float (reduction 0, collective 2)" : "all_reduce of another size",
        GetParam() == MpiBackend::Path::automatic ? "rank 0 brings 4000 bytes of Float (reduction 0, collective 2)" : "all_reduce of another size");
}

TEST_P(MpiRanks, AMessageOfAnotherSizeIsRefused) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) return;
  const ProcessGroup ranks = group();
  for (const std::int64_t sent : {2, 4}) {
    if (world.rank() == 0) ranks.start_send(at::zeros({sent}), 1).wait();
    if (world.rank() == 1) {
      EXPECT_THAT(message_of(ExitCode::internal, [&] { ranks.start_receive(at::zeros({3}), 0).wait(); }),
                  HasSubstr(sent == 2 ? "rank 0 sent 8 bytes, less than the 12 bytes expected" : "rank 0 sent more than the 12 bytes expected"));
    }
  }
  world.barrier();
}

TEST_P(MpiRanks, LargeBroadcastsGoThroughAChain) {
  const ProcessGroup ranks = group();
  for (const std::int64_t size : {65'536, 65'537, 700'001}) check_broadcast(ranks, size, at::kFloat);
}

// What is counted by the formulas is what messages carry.
TEST(MpiTraffic, IsWhatMessagesCarry) {
  const Communicator world = Communicator::world();
  MpiBackend::Options options;
  options.path = MpiBackend::Path::messages;
  const auto backend = c10::make_intrusive<MpiBackend>(world, options);
  const ProcessGroup ranks(backend), copy = ranks;
  const int n = world.size();
  const at::Tensor part = at::zeros({1200}), whole = at::zeros({1200 * n});
  std::int64_t sent = 0;
  const auto expect_sent = [&](std::int64_t Traffic::*kind, std::int64_t bytes) {
    EXPECT_EQ(ranks.traffic().*kind, bytes);
    EXPECT_EQ(backend->sent_bytes() - sent, bytes);
    sent = backend->sent_bytes();
  };
  ranks.all_reduce(part, Reduction::sum);
  expect_sent(&Traffic::all_reduce, 4800 * 2 * (n - 1) / n);
  ranks.start_reduce_scatter(part, whole, Reduction::sum).wait();
  expect_sent(&Traffic::reduce_scatter, 4800 * (n - 1));
  copy.all_gather(whole, part);
  expect_sent(&Traffic::all_gather, 4800 * (n - 1));
  std::vector<std::int64_t> send_rows(n), receive_rows(n, world.rank() + 1);
  for (int r = 0; r < n; ++r) send_rows[r] = r + 1;
  ranks.all_to_all(at::zeros({n * (world.rank() + 1), 5}), at::zeros({n * (n + 1) / 2, 5}), receive_rows, send_rows);
  expect_sent(&Traffic::all_to_all, 20 * (n * (n + 1) / 2 - (world.rank() + 1)));
  if (n > 1) {
    Pending sending = ranks.start_send(part, (world.rank() + 1) % n);
    ranks.start_receive(at::zeros({1200}), (world.rank() + n - 1) % n).wait();
    sending.wait();
    expect_sent(&Traffic::send, 4800);
  }
  for (const std::int64_t size : {100, 300'000}) {  // through a tree, and through a chain
    const Traffic before = ranks.traffic();
    ranks.broadcast(at::zeros({size}), n - 1);
    const std::int64_t counted = (ranks.traffic() - before).total();
    EXPECT_EQ(counted, world.rank() == n - 1 ? 4 * size * (n - 1) : 0);
    EXPECT_EQ(world.all_reduce(backend->sent_bytes() - sent, Reduction::sum), world.all_reduce(counted, Reduction::sum));
    sent = backend->sent_bytes();
  }
  EXPECT_EQ(ranks.traffic(), copy.traffic());
}

TEST(MpiGroups, PartsOfTheWorldReduceApart) {
  const Communicator world = Communicator::world();
  const Communicator part = world.split(world.rank() % 2, world.rank());
  const ProcessGroup ranks(make_backend(at::kCPU, part, {.group_name = "parity"}), "parity");
  const at::Tensor tensor = at::full({5}, world.rank(), at::kLong);
  ranks.all_reduce(tensor, Reduction::sum);
  std::int64_t expected = 0;
  for (int r = world.rank() % 2; r < world.size(); r += 2) expected += r;
  EXPECT_TRUE(tensor.eq(expected).all().item<bool>());
}

TEST(Rendezvous, EveryRankReadsWhatOneRankHasWritten) {
  const Communicator world = Communicator::world();
  const auto store = make_store(world);
  const int writer = world.size() - 1;
  if (world.rank() == writer) store->set("greeting", std::string("from rank ") + std::to_string(writer));
  EXPECT_EQ(store->get_to_str("greeting"), "from rank " + std::to_string(writer));
  EXPECT_LE(store->add("arrivals", 1), world.size());
  world.barrier();  // rank 0's store serves until all are done
}

TEST(MakeBackend, RefusesWhatThisBuildCannotDo) {
  const Communicator world = Communicator::world();
  EXPECT_THAT(message_of(ExitCode::wrong_setting, [&] { make_backend(at::Device(at::kXPU, 0), world); }),
              HasSubstr("no communication for device xpu:0"));
  if (!has_cuda_module()) {
    EXPECT_THAT(message_of(ExitCode::wrong_setting, [&] { make_backend(at::Device(at::kCUDA, 0), world); }),
                ::testing::AllOf(HasSubstr("this build has no CUDA"), HasSubstr("launch/build")));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
