// The index of a group with many members (HDF5's version 2 B-tree of type 5): names' hashes in rising order, each with
// the place of its link in the group's heap.
#pragma once

#include <cstdint>
#include <functional>

#include "hdf5/cursor.h"
#include "hdf5/source.h"

namespace trellis {

// Calls `visit(hash, id)` for every record of the index whose header lies at `at`, in order; `id` begins with the 7
// bytes that name an object of the heap. Refuses an index that is out of order or does not have the records it counts.
void for_each_in_hdf5_link_index(Hdf5Source& source, std::uint64_t at,
                                 const std::function<void(std::uint32_t hash, Hdf5Cursor id)>& visit);

}  // namespace trellis
