// The checkpoints of a run: what its checkpoints/ folder holds, which is to be gone on from, and what may go.
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

// Whatever is named step-NNNNNNNNNN, by rising step, plain files included: not collective. A missing folder holds none; one that the
// system does not list is a MissingInputError.
std::vector<CatalogueEntry> entries_named_as_checkpoints(const std::filesystem::path& root);

// The same, collective, without plain files, which are no checkpoints, whether or not it loads.
std::vector<CatalogueEntry> list_checkpoints(const Communicator& communicator, const std::filesystem::path& root);

// The newest checkpoint, after every check, hashes included; empty only where there is none at all. Those whose content is
// proven to be damaged are passed over with a warning each as long as an older one is whole. Otherwise nothing is chosen:
// whoever went on from an older one, or began anew, would set good ones aside. Then the error names each checkpoint looked at
// with its reason. Plain files of such names are warned of. MissingInputError (66) if the system does not give one of them, else DataError (65).
std::optional<CheckpointReader> open_newest_complete(const Communicator& communicator,
                                                     const std::filesystem::path& root);

// Removes what writers and prunings that were killed have left (.tmp-*). Only the holder of the run's lock may call it.
void remove_stale(const Communicator& communicator, const std::filesystem::path& root);

// Keeps the `keep` (>= 1) newest checkpoints and that of step `best`, if given; removes the others, oldest first. Each
// is renamed to .tmp-remove-... before its files go, so that a kill leaves nothing that looks like a checkpoint. What
// cannot be removed stays with a warning, and all of them where the folder cannot be listed. Gives the steps removed.
std::vector<std::int64_t> prune_checkpoints(const Communicator& communicator, const std::filesystem::path& root,
                                            int keep, std::optional<std::int64_t> best);

}  // namespace trellis
