// Writes a checkpoint together: each rank rows of every tensor, through parallel HDF5. Format: docs/formats.md,
// "Checkpoint directory".
//
// A checkpoint appears complete or not at all. It is written into a ".tmp-" folder beside its place, brought to the
// disk (fsync), read back and compared with the memory it came from, hashed, and only then renamed. Every phase ends
// with all ranks agreeing that it worked; an error on any rank is thrown alike on all, the temporary folder is removed,
// and the checkpoints that were there before are untouched: the caller may go on and try again later.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "checkpoint/tensor_slice.h"
#include "mpi/communicator.h"

namespace trellis {

struct WriteReport {
  std::filesystem::path path;        // of the finished checkpoint directory
  std::int64_t bytes_this_rank = 0;  // given to HDF5 by this rank
  std::int64_t bytes_total = 0;      // the same, summed over all ranks: the bytes of all tensors
  double seconds = 0;
};

// Collective over `communicator`, which must hold the world's ranks in a plain order (Open MPI corrupts files that are
// written over a cartesian one). Creates `root` if need be and writes root/step-NNNNNNNNNN; a checkpoint of that step
// that exists already is replaced in one step. All ranks give the same names, types and shapes in the same order, and
// their pieces together tile every tensor, whoever gives which and in whatever order; otherwise InternalError. `state`
// is rank 0's, a JSON object of the trainer's meaning; it must hold no NaN or infinity (JSON has none). Throws
// WriteError, the same on every rank. Calls HDF5: one thread of a process.
WriteReport write_checkpoint(const Communicator& communicator, const std::filesystem::path& root, std::int64_t step,
                             std::span<const TensorSlice> slices, const nlohmann::json& state);

}  // namespace trellis
