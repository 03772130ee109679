// HDF5 identifiers as owned values, and HDF5's errors as text. Debian's HDF5 is not thread-safe: all calls come from one
// thread of a process.
#pragma once

#include <hdf5.h>

#include <string>
#include <utility>

#include "checkpoint/tensor_slice.h"

namespace trellis::checkpoint {

// Closes its identifier at the end of its life. A negative identifier is the failure of the call that made it.
template <herr_t (*Close)(hid_t)>
class Hdf5Id {
 public:
  explicit Hdf5Id(hid_t id) : id_(id) {}
  Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Hdf5Id& operator=(Hdf5Id&& other) noexcept { return std::swap(id_, other.id_), *this; }
  ~Hdf5Id() { close(); }
  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }
  bool close() { return id_ < 0 || Close(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_;
};
using Hdf5File = Hdf5Id<H5Fclose>;
using Hdf5Dataset = Hdf5Id<H5Dclose>;
using Hdf5Space = Hdf5Id<H5Sclose>;
using Hdf5Type = Hdf5Id<H5Tclose>;
using Hdf5Properties = Hdf5Id<H5Pclose>;
using Hdf5Object = Hdf5Id<H5Oclose>;

// Keeps HDF5 from printing its error stack, and from loading filter plug-ins named by the environment. Cheap; call it
// before every use of HDF5.
void prepare_hdf5();

// The innermost message of the failed call's error stack; clears the stack.
std::string hdf5_reason();

// The type on the disk: little-endian, whatever machine writes it.
hid_t stored_type(ElementType type);

}  // namespace trellis::checkpoint
