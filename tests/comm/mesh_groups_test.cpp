// comm/mesh_groups.h over threads as ranks, comm/threads/lone_backend.h, and what happens in parts of a world when a rank fails.
#include "comm/mesh_groups.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "base/errors.h"
#include "comm/threads/lone_backend.h"
#include "comm/threads/thread_backend.h"
#include "tests/comm/backend_test_helpers.h"
#include "tests/comm/mesh_groups_helpers.h"

namespace trellis {
namespace {

using namespace testing_support;
using ::testing::HasSubstr;

class MeshGroupsOfThreads : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, MeshGroupsOfThreads, ::testing::Values(1, 2, 3, 4, 6));

TEST_P(MeshGroupsOfThreads, HaveTheRanksOfEveryMeshInOrder) {
  run_thread_mesh(GetParam(), [](const ProcessGroup& world, const SplitGroup& split, int) { check_mesh_groups(world, split); });
}

TEST(MeshGroupsOfThreadsFailing, ARankThatThrowsReleasesTheOthersFromTheirParts) {
  std::atomic<int> released = 0;
  const auto run = [&] {
    run_thread_mesh(4, [&](const ProcessGroup& world, const SplitGroup& split, int rank) {
      const MeshGroups groups = make_mesh_groups({.data = 2, .pipeline = 2, .vocabulary = 2}, world, split);
      if (rank == 3) throw std::runtime_error("enough");
      try {
        if (rank == 2) groups.replica.start_receive(at::zeros({1}), 1).wait();  // from rank 3
        if (rank == 1) groups.copies.barrier();                                 // with rank 3
        if (rank == 0) split(0, 0, "late");                                     // with everyone
      } catch (const InternalError& error) {
        EXPECT_THAT(error.what(), HasSubstr("rank 3 failed: enough"));
        ++released;
        throw;
      }
    });
  };
  EXPECT_THAT(run, ::testing::ThrowsMessage<std::runtime_error>("enough"));
  EXPECT_EQ(released, 3);
}

TEST(MeshGroupsOfThreadsFailing, AMeshOfOtherRanksIsRefused) {
  run_thread_mesh(2, [](const ProcessGroup& world, const SplitGroup& split, int) {
    EXPECT_THAT(message_of(ExitCode::internal, [&] { make_mesh_groups({.data = 3, .pipeline = 1, .vocabulary = 1}, world, split); }),
                HasSubstr("as many ranks as the world has"));
  });
}

TEST(LoneBackend, DoesEveryCollectiveOfOneRank) {
  const ProcessGroup group(c10::make_intrusive<LoneBackend>(), "lone");
  for (const auto dtype : kMovableTypes) {
    check_broadcast(group, 10, dtype);
    check_all_gather(group, 10, dtype);
    check_all_to_all(group, 3, dtype);
  }
  for (const auto dtype : kReducibleTypes) {
    check_all_reduce(group, 10, dtype);
    check_reduce_scatter(group, 10, dtype);
  }
  check_empty_all_to_all(group);
  group.barrier();
}

TEST(LoneBackend, HasNobodyToTalkTo) {
  const ProcessGroup group(c10::make_intrusive<LoneBackend>(), "lone");
  EXPECT_THAT(message_of(ExitCode::internal, [&] { group.start_send(at::zeros({1}), 0).wait(); }), HasSubstr("no other rank"));
  EXPECT_THAT(message_of(ExitCode::internal, [&] { group.start_receive(at::zeros({1}), 0).wait(); }), HasSubstr("no other rank"));
}

}  // namespace
}  // namespace trellis
