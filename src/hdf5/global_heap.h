// The heap where HDF5 keeps strings of variable length (a "global heap collection"): what h5py writes as an attribute.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "hdf5/source.h"

namespace trellis {

class Hdf5GlobalHeaps {
 public:
  explicit Hdf5GlobalHeaps(Hdf5Source& source) : source_(source) {}
  // Text `index` of the heap at `at`, which must have `length` bytes.
  std::string text(std::uint64_t at, std::uint64_t index, std::uint64_t length);

 private:
  using Texts = std::map<std::uint64_t, std::string>;  // by index
  Texts read(std::uint64_t at);

  Hdf5Source& source_;
  std::map<std::uint64_t, Texts> heaps_;  // by address
};

}  // namespace trellis
