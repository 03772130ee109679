// The phase of writing a checkpoint in which all ranks write into one file that is laid out already.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "checkpoint/state_file.h"
#include "checkpoint/tensor_slice.h"
#include "mpi/communicator.h"

namespace trellis::checkpoint {

// Collective. Throws InternalError on every rank unless all give the same tensors and their rows tile each of them.
void check_slices(const Communicator& communicator, std::span<const TensorSlice> slices);

// Collective. Writes every rank's rows with collective H5Dwrite calls; every rank enters every call, with an empty
// selection when it has nothing. Gives the bytes that this rank passed to HDF5. Throws the same WriteError on every
// rank, what MPI reports from within a write included; only where MPI cannot open the file on some rank, though the system
// can, the job ends (mpi/file_errors.h).
std::int64_t write_slices(const Communicator& communicator, const std::filesystem::path& path,
                          std::span<const TensorSlice> slices);

// Reads this rank's rows back with plain reads and compares them with memory. Throws WriteError. Not collective.
void compare_slices(const std::filesystem::path& path, const StateLayout& layout, std::span<const TensorSlice> slices);

}  // namespace trellis::checkpoint
