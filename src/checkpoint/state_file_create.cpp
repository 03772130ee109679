#include <cstdio>

#include "base/errors.h"
#include "checkpoint/files.h"
#include "checkpoint/hdf5.h"
#include "checkpoint/state_file.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

void check(bool success, const char* action, const fs::path& path) {
  if (!success)
    throw WriteError(std::string("cannot ") + action + " the checkpoint file: " + hdf5_reason(), path.string(),
                     "check the disk's space and health");
}

// Shows that the disk has room for the tensors and for HDF5's own bytes beside them, then gives the room back. HDF5 must
// not meet a full disk itself: it keeps a file that it cannot flush, and tries again when the program ends.
void check_space(const fs::path& path, std::span<const TensorInfo> tensors) {
  constexpr std::int64_t file_overhead = 64 << 10, tensor_overhead = 2 << 10;
  std::int64_t bytes = file_overhead;
  for (const TensorInfo& tensor : tensors) bytes += tensor.bytes() + tensor_overhead;
  File::create(path).reserve(bytes);
}

// The fixed version bounds and the switched-off times make the same tensors give the same bytes.
Hdf5File create_file(const fs::path& path) {
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  const Hdf5Properties creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(creation, false);
  return Hdf5File(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access));
}

std::int64_t create_dataset(hid_t file, const TensorInfo& tensor, const fs::path& path) {
  const Hdf5Properties creation(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_layout(creation, H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(creation, false);
  const std::vector<hsize_t> sizes(tensor.shape.begin(), tensor.shape.end());
  const Hdf5Space space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr));
  const Hdf5Dataset dataset(
      H5Dcreate2(file, tensor.name.c_str(), stored_type(tensor.type), space, H5P_DEFAULT, creation, H5P_DEFAULT));
  check(dataset.valid(), "create a dataset in", path);
  const haddr_t offset = H5Dget_offset(dataset);
  check(offset != HADDR_UNDEF, "allocate a dataset in", path);
  return static_cast<std::int64_t>(offset);
}

}  // namespace

StateLayout create_state_file(const fs::path& path, std::span<const TensorInfo> tensors) {
  prepare_hdf5();
  check_space(path, tensors);
  StateLayout layout;
  {
    Hdf5File file = create_file(path);
    check(file.valid(), "create", path);
    for (const TensorInfo& tensor : tensors) layout.offsets.push_back(create_dataset(file, tensor, path));
    check(file.close(), "lay out", path);
  }
  const File file = File::open_to_write(path);
  layout.file_bytes = file.size();
  file.reserve(layout.file_bytes);
  return layout;
}

}  // namespace trellis::checkpoint
