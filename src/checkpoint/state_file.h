// state.h5: one contiguous little-endian dataset a tensor, all in the root group, no attributes, no links, no filters.
// One process lays the file out; after that only the tensors' bytes change, so its bytes depend on no rank count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "checkpoint/tensor_slice.h"

namespace trellis::checkpoint {

struct StateLayout {
  std::int64_t file_bytes = 0;
  std::vector<std::int64_t> offsets;  // of each tensor's first byte in the file, in the tensors' order
  bool operator==(const StateLayout&) const = default;
};

// Creates the file with every dataset allocated on the disk and none filled. One process calls this. Throws WriteError,
// for a full disk above all: afterwards the file can be filled without taking another block.
StateLayout create_state_file(const std::filesystem::path& path, std::span<const TensorInfo> tensors);

// The opening policy: where the tensors lie in an existing file, after checking that the file is of the narrow kind
// that hdf5/structure.h accepts and holds exactly these tensors, with types and shapes as given, and no
// attributes. Calls no HDF5, so it may see any file. Throws DataError; MissingInputError when it cannot be opened.
StateLayout check_state_file(const std::filesystem::path& path, std::span<const TensorInfo> tensors);

}  // namespace trellis::checkpoint
