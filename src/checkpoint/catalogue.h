// The checkpoints of a run: what its checkpoints/ folder holds, which is the newest that loads, and what may go.
// Every call is collective; rank 0 alone looks into or changes the folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "checkpoint/reader.h"
#include "mpi/communicator.h"

namespace trellis {

struct CatalogueEntry {
  std::int64_t step = 0;
  std::filesystem::path path;
  bool operator==(const CatalogueEntry&) const = default;
};

// All folders named step-NNNNNNNNNN, by rising step, whether or not they load. A missing folder holds none.
std::vector<CatalogueEntry> list_checkpoints(const Communicator& communicator, const std::filesystem::path& root);

// The checkpoint of the highest step that passes every check, hashes included; empty if there is none. A damaged one is
// passed over with a warning that names it.
std::optional<CheckpointReader> open_newest_complete(const Communicator& communicator,
                                                     const std::filesystem::path& root);

// Removes what writers and prunings that were killed have left (.tmp-*). Only the holder of the run's lock may call it.
void remove_stale(const Communicator& communicator, const std::filesystem::path& root);

// Keeps the `keep` (>= 1) newest checkpoints and that of step `best`, if given; removes the others, oldest first. Each
// is renamed to .tmp-remove-... before its files go, so that a kill leaves nothing that looks like a checkpoint. What
// cannot be removed stays with a warning. Gives the steps removed.
std::vector<std::int64_t> prune_checkpoints(const Communicator& communicator, const std::filesystem::path& root,
                                            int keep, std::optional<std::int64_t> best);

}  // namespace trellis
