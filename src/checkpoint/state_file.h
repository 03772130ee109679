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

// The opening policy: where the tensors lie in an existing file, after checking that the file holds exactly these
// tensors and nothing that HDF5 could follow elsewhere or expand: hard links to the named datasets only; contiguous
// layout; types and shapes as given; no attributes, filters, external or virtual storage; all bytes inside the file,
// none shared. Call it only on a file whose hash has been verified, where there is one. Throws DataError. Plain, serial
// HDF5.
StateLayout check_state_file(const std::filesystem::path& path, std::span<const TensorInfo> tensors);

}  // namespace trellis::checkpoint
