// Which ranks share a machine's memory.
#pragma once

#include "mpi/communicator.h"

namespace trellis {

// Collective; the same answer on every rank.
bool all_on_one_node(const Communicator& communicator);

}  // namespace trellis
