// The beginning of an HDF5 file: version 2, which our writers make, or version 0, which h5py makes unless told
// otherwise.
#pragma once

#include <cstdint>
#include <optional>

#include "hdf5/header_messages.h"
#include "hdf5/source.h"

namespace trellis {

struct Hdf5Superblock {
  std::uint64_t root = 0;                // address of the root group's header
  std::optional<Hdf5SymbolTable> table;  // where version 0 says that its members are
};

// Refuses whatever is not of these versions, with addresses of 8 bytes from the file's first byte on and no extension,
// driver or user block; a wrong checksum; and a file that is longer or shorter than it says.
Hdf5Superblock read_hdf5_superblock(Hdf5Source& source);

}  // namespace trellis
