// What a run asks of its folder before its first step, so that a folder that takes no checkpoint is found out now and not after
// hours of work.
#pragma once

#include <cstdint>

#include "config/settings.h"
#include "mpi/communicator.h"
#include "trainer/run_directory.h"

namespace trellis {

// How many checkpoints of a run stay on the disk at most between two saves, the best besides the newest ones, and what of
// those that are there a save may remove before it writes: never the newest, never the best.
struct KeptCheckpoints {
  int keep = 1;           // checkpoint.keep
  bool has_best = false;  // the run validates
  std::int64_t removable(std::int64_t existing) const;
  std::int64_t needed_beside(std::int64_t existing) const;  // new ones that need room: two in a fresh folder, or three with a best
};

// Collective. Tries to write a checkpoint (checkpoint/storage_trial.h), and compares the room that is there with what
// checkpoints of `checkpoint_bytes` take: too little for one is refused, too little for another beside it is warned of. Throws
// WriteError, alike on all ranks.
void check_storage(const Communicator& world, const RunDirectory& directory, std::int64_t checkpoint_bytes, const KeptCheckpoints& kept);

}  // namespace trellis
