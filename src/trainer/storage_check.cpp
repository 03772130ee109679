#include "trainer/storage_check.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/errors.h"
#include "base/log.h"
#include "checkpoint/catalogue.h"
#include "checkpoint/storage_trial.h"
#include "mpi/agreement.h"
#include "report/wording.h"

namespace trellis {

std::int64_t KeptCheckpoints::removable(std::int64_t existing) const {
  const std::int64_t staying = std::max(1, keep - 1) + (has_best ? 1 : 0);
  return std::max<std::int64_t>(0, existing - staying);
}

std::int64_t KeptCheckpoints::needed_beside(std::int64_t existing) const {
  const std::int64_t at_once = 2 + (has_best ? 1 : 0);  // the newest, the best, and the one being written
  return std::max<std::int64_t>(1, at_once - existing);
}

void check_storage(const Communicator& world, const RunDirectory& directory, std::int64_t checkpoint_bytes, const KeptCheckpoints& kept) {
  const auto root = directory.checkpoints();
  const auto existing = static_cast<std::int64_t>(list_checkpoints(world, root).size());
  agree(world, [&] {
    if (world.rank() != 0) return;
    make_checkpoint_folder(root);
    const std::int64_t needed = kept.needed_beside(existing);
    const Room room = room_for(root, checkpoint_bytes, static_cast<int>(needed));
    if (room.files >= needed) return;
    const std::string figures = fmt::format("a checkpoint takes {}, {} are free", format_bytes(checkpoint_bytes), format_bytes(room.free_bytes));
    const char* fix = "free some space or quota there, or make the folder a link to one on another disk";
    if (room.files == 0 && kept.removable(existing) == 0) throw WriteError("there is no room for a checkpoint: " + figures, root.string(), fix);
    log_warning(
        "there is room for {} more checkpoint(s), but {} more are needed beside {} (the newest{}, and the one being written): {}\n  where: {}\n  fix:   {}",
        room.files, needed, existing, kept.has_best ? ", the best" : "", figures, root.string(), fix);
  });
  try_checkpoint_folder(world, root);
}

}  // namespace trellis
