// HDF5 identifiers as owned values, and HDF5's errors as text. Debian's HDF5 is not thread-safe: all calls come from
// one thread of a process.
#pragma once

#include <hdf5.h>
#include <string>
#include <utility>

namespace trellis {

// Keeps HDF5 from printing its error stack, and from loading filter plug-ins named by the environment. Cheap; call it
// before every use of HDF5.
void prepare_hdf5();

// For files opened with these properties. All are written once under a name that nobody else knows, and never
// changed after that: locks would add nothing, and fail on some file systems.
void lock_no_files(hid_t access_properties);

// "1.10.8": of the library that was loaded.
std::string hdf5_version();

// What the system or HDF5 itself says about the call that has just failed. The next HDF5 call forgets it.
std::string hdf5_reason();

// Closes its identifier at the end of its life. A negative identifier is the failure of the call that made it; its
// reason is taken down at once, because closing anything else would overwrite it.
template <herr_t (*Close)(hid_t)>
class Hdf5Id {
 public:
  explicit Hdf5Id(hid_t id) : id_(id) {
    if (id_ < 0) reason_ = hdf5_reason();
  }
  Hdf5Id(Hdf5Id&& other) noexcept : id_(std::exchange(other.id_, -1)), reason_(std::move(other.reason_)) {}
  Hdf5Id& operator=(Hdf5Id&&) = delete;
  ~Hdf5Id() { close(); }
  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }
  const std::string& reason() const { return reason_; }
  bool close() {
    if (id_ < 0 || Close(std::exchange(id_, -1)) >= 0) return true;
    reason_ = hdf5_reason();
    return false;
  }

 private:
  hid_t id_;
  std::string reason_;
};
using Hdf5FileId = Hdf5Id<H5Fclose>;
using Hdf5DatasetId = Hdf5Id<H5Dclose>;
using Hdf5SpaceId = Hdf5Id<H5Sclose>;
using Hdf5TypeId = Hdf5Id<H5Tclose>;
using Hdf5PropertiesId = Hdf5Id<H5Pclose>;
using Hdf5AttributeId = Hdf5Id<H5Aclose>;

}  // namespace trellis
