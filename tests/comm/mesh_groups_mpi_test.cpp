// comm/mesh_groups.h over real MPI ranks.
#include "comm/mesh_groups.h"

#include <gtest/gtest.h>

#include "tests/comm/mesh_groups_helpers.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

TEST(MeshGroupsOfMpiRanks, HaveTheRanksOfEveryMeshInOrder) {
  const Communicator communicator = Communicator::world();
  const ProcessGroup world(make_backend(at::kCPU, communicator));
  testing_support::check_mesh_groups(world, split_communicator(communicator, at::kCPU));
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
