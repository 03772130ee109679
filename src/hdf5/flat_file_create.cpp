#include <fmt/format.h>
#include <hdf5.h>
#include <string>
#include <vector>

#include "base/errors.h"
#include "hdf5/flat_file.h"
#include "hdf5/handle.h"

namespace trellis {
namespace {

constexpr std::size_t kMaxDimensions = 3;
constexpr hsize_t kAlignment = 4096;  // datasets begin at a page

// HDF5 1.10 crashes in its clean-up at exit after a file could not be written to its end, which would turn our exit
// code into a segmentation fault. Nothing here relies on that clean-up: every handle is closed by its owner.
void leave_out_exit_cleanup() {
  static const herr_t once = H5dont_atexit();
  (void)once;
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

[[noreturn]] void throw_write_failed(const std::filesystem::path& path, const std::string& reason) {
  throw WriteError(fmt::format("HDF5 cannot write this file: {}", reason), path.string(), "check space, quota and permissions there");
}

// [count, row...] as HDF5 takes it.
std::vector<hsize_t> shape_of(const FlatDataset& dataset) {
  std::vector<hsize_t> shape{static_cast<hsize_t>(dataset.count)};
  for (const std::int64_t size : dataset.row) shape.push_back(static_cast<hsize_t>(size));
  return shape;
}

// The call that made `id` must have succeeded; its reason is told at once.
template <class Id>
const Id& made(const Id& id, const std::filesystem::path& path) {
  if (!id.valid()) throw_write_failed(path, id.reason());
  return id;
}

}  // namespace

void create_flat_file(const std::filesystem::path& path, std::vector<FlatDataset>& datasets,
                      const FlatAttributes& attributes) {
  leave_out_exit_cleanup();
  prepare_hdf5();
  const Hdf5PropertiesId access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fapl_sec2(access);
  lock_no_files(access);
  // One version of every structure, whatever the library's newest is: the same bytes every time.
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_alignment(access, kAlignment, kAlignment);
  const Hdf5PropertiesId creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(creation, false);
  Hdf5FileId file(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation, access));
  made(file, path);

  for (const auto& [name, value] : attributes) {
    require(!value.empty() && value.size() <= kMaxFlatAttributeBytes, "a corpus attribute is empty or too long");
    const Hdf5TypeId type(H5Tcopy(H5T_C_S1));
    const Hdf5SpaceId space(H5Screate(H5S_SCALAR));
    H5Tset_size(type, value.size());
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    const Hdf5AttributeId attribute(H5Acreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
    if (H5Awrite(made(attribute, path), type, value.data()) < 0) throw_write_failed(path, hdf5_reason());
  }
  for (FlatDataset& dataset : datasets) {
    require(dataset.count >= 1, "a corpus dataset is empty");
    const std::vector<hsize_t> shape = shape_of(dataset);
    require(shape.size() <= kMaxDimensions, "a corpus dataset has too many dimensions");
    const Hdf5SpaceId space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr));
    const Hdf5PropertiesId layout(H5Pcreate(H5P_DATASET_CREATE));
    H5Pset_layout(layout, H5D_CONTIGUOUS);
    H5Pset_alloc_time(layout, H5D_ALLOC_TIME_EARLY);  // place reserved now, bytes written by us later
    H5Pset_fill_time(layout, H5D_FILL_TIME_NEVER);
    H5Pset_obj_track_times(layout, false);
    const Hdf5DatasetId created(
        H5Dcreate2(file, dataset.name.c_str(), file_type(dataset.element), space, H5P_DEFAULT, layout, H5P_DEFAULT));
    const haddr_t offset = H5Dget_offset(made(created, path));
    if (offset == HADDR_UNDEF) throw_write_failed(path, hdf5_reason());
    dataset.offset = static_cast<std::int64_t>(offset);
  }
  if (!file.close()) throw_write_failed(path, file.reason());
}

}  // namespace trellis
