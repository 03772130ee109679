// What the groups of a mesh must be, written once for thread ranks and MPI ranks.
#pragma once

#include "comm/mesh_groups.h"

namespace trellis::testing_support {

// Every mesh of world.size() ranks: the groups have the right ranks in the right order, they work all together, and a group
// that is the whole world is the world's own.
void check_mesh_groups(const ProcessGroup& world, const SplitGroup& split);

}  // namespace trellis::testing_support
