// Which ranks share a machine's memory.
#pragma once

#include "mpi/communicator.h"

namespace trellis {

// Collective; the same answer on every rank.
bool all_on_one_node(const Communicator& communicator);

struct NodePlace {
  int rank = 0, size = 1;  // among the ranks of this machine
};
// Collective.
NodePlace node_place(const Communicator& communicator);

}  // namespace trellis
