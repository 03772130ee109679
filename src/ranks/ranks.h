// Where the ranks of a run meet: for control flow, and for tensors.
#pragma once

#include "comm/process_group.h"
#include "mpi/communicator.h"

namespace trellis {

class ComputeThreads;

struct Ranks {
  const Communicator& world;
  const ProcessGroup& group;
  ComputeThreads* threads = nullptr;  // of this rank, to be adapted between steps; null: nobody does
  int rank() const { return world.rank(); }
  int size() const { return world.size(); }
};

}  // namespace trellis
