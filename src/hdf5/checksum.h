// The checksum of HDF5's metadata blocks: Bob Jenkins' lookup3 (hashlittle) with initial value 0. HDF5 also orders the
// links of a large group by it, as the hash of their names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace trellis {

std::uint32_t hdf5_checksum(std::span<const std::byte> bytes);

}  // namespace trellis
