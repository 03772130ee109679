#include "comm/mesh_groups.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "comm/threads/lone_backend.h"

namespace trellis {

MeshGroups make_mesh_groups(const Mesh& mesh, const ProcessGroup& world, const SplitGroup& split) {
  const int rank = world.rank();
  require(world.size() == mesh.ranks(), "make_mesh_groups needs a mesh of as many ranks as the world has");
  // Every rank takes the same way through here, as it depends on the mesh alone: split is collective.
  const auto part = [&](int size, int color, int key, const char* kind) {
    if (size == world.size()) return world;
    const std::string name = fmt::format("{} {}", kind, color);
    if (size == 1) return ProcessGroup(c10::make_intrusive<LoneBackend>(), name, world.watchdog(), {rank});
    return split(color, key, name);
  };
  ProcessGroup replica = part(mesh.pipeline, mesh.replica_of(rank), mesh.stage_of(rank), "replica");
  ProcessGroup vocabulary = part(mesh.vocabulary, mesh.group_of(rank), mesh.place_of(rank), "vocabulary");
  ProcessGroup copies = part(mesh.groups(), mesh.place_of(rank), mesh.group_of(rank), "copies");
  return {mesh, rank, world, std::move(replica), std::move(vocabulary), std::move(copies)};
}

MeshGroups lone_mesh_groups() { return make_mesh_groups({}, ProcessGroup(c10::make_intrusive<LoneBackend>()), {}); }

}  // namespace trellis
