#include "tests/comm/mesh_groups_helpers.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace trellis::testing_support {
namespace {

// The world's ranks in `group`, in order, as the group itself finds them.
std::vector<std::int64_t> members_of(const ProcessGroup& group, int world_rank) {
  const at::Tensor all = at::zeros({group.size()}, at::kLong), own = at::full({1}, world_rank, at::kLong);
  group.all_gather(all, own);
  return {all.data_ptr<std::int64_t>(), all.data_ptr<std::int64_t>() + group.size()};
}

void check_group(const ProcessGroup& group, const ProcessGroup& world, const std::vector<std::int64_t>& expected) {
  EXPECT_EQ(members_of(group, world.rank()), expected);
  const at::Tensor sum = at::full({3}, world.rank(), at::kLong);
  group.all_reduce(sum, Reduction::sum);
  std::int64_t total = 0;
  for (const std::int64_t rank : expected) total += rank;
  EXPECT_EQ(sum[2].item<std::int64_t>(), total);
  EXPECT_EQ(group.backend() == world.backend(), group.size() == world.size());
}

void check_mesh(const Mesh& mesh, const ProcessGroup& world, const SplitGroup& split) {
  SCOPED_TRACE(describe(mesh));
  const MeshGroups groups = make_mesh_groups(mesh, world, split);
  const int rank = groups.rank;
  EXPECT_EQ(rank, world.rank());
  std::vector<std::int64_t> replica, vocabulary, copies;
  for (int other = 0; other < world.size(); ++other) {
    if (mesh.replica_of(other) == mesh.replica_of(rank)) replica.push_back(other);
    if (mesh.group_of(other) == mesh.group_of(rank)) vocabulary.push_back(other);
    if (mesh.place_of(other) == mesh.place_of(rank)) copies.push_back(other);
  }
  EXPECT_EQ(groups.replica.rank(), mesh.stage_of(rank));
  EXPECT_EQ(groups.vocabulary.rank(), mesh.place_of(rank));
  EXPECT_EQ(groups.copies.rank(), mesh.group_of(rank));
  check_group(groups.replica, world, replica);
  check_group(groups.vocabulary, world, vocabulary);
  check_group(groups.copies, world, copies);

  // under way together, started in another order by every second rank
  const at::Tensor one = at::ones({1000}), two = at::ones({1000}), three = at::ones({1000});
  if (rank % 2 == 0 || groups.vocabulary.size() == world.size() || groups.copies.size() == world.size()) {
    Pending first = groups.vocabulary.start_all_reduce(one, Reduction::sum), second = groups.copies.start_all_reduce(two, Reduction::sum);
    groups.world.all_reduce(three, Reduction::sum);
    first.wait();
    second.wait();
  } else {
    Pending second = groups.copies.start_all_reduce(two, Reduction::sum), first = groups.vocabulary.start_all_reduce(one, Reduction::sum);
    groups.world.all_reduce(three, Reduction::sum);
    second.wait();
    first.wait();
  }
  EXPECT_EQ(one[0].item<float>(), mesh.vocabulary);
  EXPECT_EQ(two[0].item<float>(), mesh.groups());
  EXPECT_EQ(three[0].item<float>(), world.size());
}

}  // namespace

void check_mesh_groups(const ProcessGroup& world, const SplitGroup& split) {
  const int ranks = world.size();
  for (int pipeline = 1; pipeline <= ranks; ++pipeline) {
    if (ranks % pipeline != 0) continue;
    for (int vocabulary = 1; vocabulary <= ranks; ++vocabulary) {
      if (ranks % vocabulary == 0) check_mesh({.data = ranks / pipeline, .pipeline = pipeline, .vocabulary = vocabulary}, world, split);
    }
  }
}

}  // namespace trellis::testing_support
