// The process groups of a mesh (plan/mesh.h), as this rank sees them.
#pragma once

#include "comm/process_group.h"
#include "comm/split_group.h"
#include "plan/mesh.h"

namespace trellis {

struct MeshGroups {
  Mesh mesh;
  int rank;                 // in the world
  ProcessGroup world;       // every rank
  ProcessGroup replica;     // the stages of this rank's replica, in order
  ProcessGroup vocabulary;  // the ranks that hold one copy of the vocabulary together with this one, in order
  ProcessGroup copies;      // the ranks that hold the same part of the vocabulary as this one, one of each copy, in order
};

// Collective over `world`, which must have the mesh's ranks; the same mesh on all. A group that is the whole world is `world`
// itself; a group of one rank needs no communication to be made (comm/threads/lone_backend.h).
MeshGroups make_mesh_groups(const Mesh& mesh, const ProcessGroup& world, const SplitGroup& split);

// Of one rank alone, which is a mesh too.
MeshGroups lone_mesh_groups();

}  // namespace trellis
