// Where the ranks of a run meet: for control flow, and for tensors.
#pragma once

#include "comm/process_group.h"
#include "mpi/communicator.h"

namespace trellis {

struct Ranks {
  const Communicator& world;
  const ProcessGroup& group;
  int rank() const { return world.rank(); }
  int size() const { return world.size(); }
};

}  // namespace trellis
