// Whether a folder takes checkpoints, and how many, tried before there is one to lose.
#pragma once

#include <cstdint>
#include <filesystem>

#include "mpi/communicator.h"

namespace trellis {

// Makes the folder if need be. Throws WriteError, which says of a link that leads nowhere where it leads. Not collective.
void make_checkpoint_folder(const std::filesystem::path& root);

// Collective. Writes a checkpoint of some bytes of every rank into a hidden folder of `root`, by the writer that will write the
// run's: so everything is tried that they need, from the right to make folders over the collective opening to fsync and renaming.
// Removes it. Throws WriteError, alike on all ranks. Only the holder of the run's lock may call it.
void try_checkpoint_folder(const Communicator& communicator, const std::filesystem::path& root);

struct Room {
  std::int64_t free_bytes = 0;  // as the file system reports them; a quota may allow less
  int files = 0;
};

// How many files of `bytes` (>= 1) each find room in the folder beside what is there, counted up to `most`. Where the file
// system can reserve blocks (fallocate) it is asked to, which knows of quotas; the files are removed at once. Throws WriteError
// when files may not be so large (ulimit -f), and for everything but lack of room. Not collective.
Room room_for(const std::filesystem::path& folder, std::int64_t bytes, int most);

}  // namespace trellis
