#include <fmt/format.h>
#include <hdf5.h>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "corpus/flat_file.h"

namespace trellis {
namespace {

constexpr std::size_t kMaxDimensions = 3;
constexpr hsize_t kAlignment = 4096;  // datasets begin at a page

// One HDF5 identifier. HDF5's own clean-up never throws; close() reports for those whose closing writes.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle(hid_t id, Close closer) : id_(id), close_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  ~Handle() { close(); }
  bool valid() const { return id_ >= 0; }
  hid_t get() const { return id_; }
  bool close() { return id_ < 0 || close_(std::exchange(id_, H5I_INVALID_HID)) >= 0; }

 private:
  hid_t id_;
  Close close_;
};

// HDF5 1.10 crashes in its clean-up at exit after a file could not be written to its end, which would turn our exit
// code into a segmentation fault. Nothing here relies on that clean-up: every handle is closed by its owner.
void leave_out_exit_cleanup() {
  static const herr_t once = H5dont_atexit();
  (void)once;
}

// Keeps HDF5 from printing its error stack while in scope: our messages say it in one line.
class QuietHdf5 {
 public:
  QuietHdf5() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietHdf5() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// The innermost entry of HDF5's error stack: the cause.
std::string hdf5_cause() {
  std::string cause;
  const auto keep_first = [](unsigned, const H5E_error2_t* entry, void* text) -> herr_t {
    auto& first = *static_cast<std::string*>(text);
    if (first.empty() && entry->desc != nullptr) first = entry->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &cause);
  return cause.empty() ? "no reason given" : cause;
}

hid_t file_type(Element element) {
  switch (element) {
    case Element::u8:
      return H5T_STD_U8LE;
    case Element::u32:
      return H5T_STD_U32LE;
    case Element::u64:
      return H5T_STD_U64LE;
  }
  return H5I_INVALID_HID;
}

// [count, row...] as HDF5 takes it.
std::vector<hsize_t> shape_of(const FlatDataset& dataset) {
  std::vector<hsize_t> shape{static_cast<hsize_t>(dataset.count)};
  for (const std::int64_t size : dataset.row) shape.push_back(static_cast<hsize_t>(size));
  return shape;
}

Handle file_access() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_sec2(access.get());
  // Files here are written once under a name nobody else knows, then only read: locks add nothing and fail on some
  // networks.
  H5Pset_file_locking(access.get(), false, true);
  return access;
}

void created(bool succeeded, const std::filesystem::path& path) {
  if (!succeeded)
    throw WriteError(fmt::format("HDF5 cannot write this file: {}", hdf5_cause()), path.string(),
                     "check space, quota and permissions there");
}

}  // namespace

void create_flat_file(const std::filesystem::path& path, std::vector<FlatDataset>& datasets,
                      const FlatAttributes& attributes) {
  leave_out_exit_cleanup();
  const QuietHdf5 quiet;
  const Handle access = file_access();
  // One version of every structure, whatever the library's newest is: the same bytes every time.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_alignment(access.get(), kAlignment, kAlignment);
  const Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose);
  H5Pset_obj_track_times(creation.get(), false);
  Handle file(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation.get(), access.get()), H5Fclose);
  created(file.valid(), path);

  for (const auto& [name, value] : attributes) {
    require(!value.empty() && value.size() <= kMaxFlatAttributeBytes, "a corpus attribute is empty or too long");
    const Handle type(H5Tcopy(H5T_C_S1), H5Tclose), space(H5Screate(H5S_SCALAR), H5Sclose);
    H5Tset_size(type.get(), value.size());
    H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
    const Handle attribute(H5Acreate2(file.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose);
    created(attribute.valid() && H5Awrite(attribute.get(), type.get(), value.data()) >= 0, path);
  }
  for (FlatDataset& dataset : datasets) {
    require(dataset.count >= 1, "a corpus dataset is empty");
    const std::vector<hsize_t> shape = shape_of(dataset);
    require(shape.size() <= kMaxDimensions, "a corpus dataset has too many dimensions");
    const Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose),
        layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_layout(layout.get(), H5D_CONTIGUOUS);
    H5Pset_alloc_time(layout.get(), H5D_ALLOC_TIME_EARLY);  // place reserved now, bytes written by us later
    H5Pset_fill_time(layout.get(), H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(layout.get(), false);
    const Handle made(H5Dcreate2(file.get(), dataset.name.c_str(), file_type(dataset.element), space.get(), H5P_DEFAULT,
                                 layout.get(), H5P_DEFAULT),
                      H5Dclose);
    created(made.valid(), path);
    const haddr_t offset = H5Dget_offset(made.get());
    created(offset != HADDR_UNDEF, path);
    dataset.offset = static_cast<std::int64_t>(offset);
  }
  created(file.close(), path);
}

}  // namespace trellis
