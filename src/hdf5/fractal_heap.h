// The heap that holds the links of a group with many members (HDF5's "fractal heap", with the parameters that HDF5 has
// for links): blocks that double in size, each with a checksum, addressed by one range of offsets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hdf5/cursor.h"
#include "hdf5/disjoint_ranges.h"
#include "hdf5/source.h"

namespace trellis {

class Hdf5FractalHeap {
 public:
  // Reads the heap whose header lies at `at`, all of it.
  Hdf5FractalHeap(Hdf5Source& source, std::uint64_t at);

  std::uint64_t objects() const { return objects_; }  // as the header counts them
  // The object that the next 7 bytes of an index name. Refuses one that shares bytes with another.
  Hdf5Cursor object(Hdf5Cursor& id);

 private:
  struct Block {
    std::uint64_t offset;  // in the heap
    std::uint64_t at;      // in the file
    std::vector<std::byte> bytes;
  };
  void read_direct(std::uint64_t at, std::uint64_t offset, std::uint64_t length);
  void read_indirect(std::uint64_t at, std::uint64_t offset, std::uint64_t rows);
  void check_beginning(Hdf5Cursor& block, std::uint64_t offset, const char* signature, const char* what) const;

  Hdf5Source& source_;
  std::uint64_t header_at_, objects_ = 0, total_bytes_ = 0;
  std::vector<Block> blocks_;  // by rising offset
  DisjointRanges objects_read_;
};

}  // namespace trellis
