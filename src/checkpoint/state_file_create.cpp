#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/errors.h"
#include "checkpoint/state_file.h"
#include "checkpoint/stored_type.h"
#include "hdf5/handle.h"
#include "storage/file.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

void check(bool success, const char* action, const std::string& reason, const fs::path& path) {
  if (!success)
    throw WriteError(std::string("cannot ") + action + " the checkpoint file: " + reason, path.string(),
                     "check the disk's space and health");
}

// The fixed version bounds and the switched-off times make the same tensors give the same bytes.
Hdf5FileId create_file(const fs::path& path) {
  const Hdf5PropertiesId access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
  H5Pset_fapl_sec2(access);
  lock_no_files(access);
  const Hdf5PropertiesId creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(creation, false);
  return Hdf5FileId(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation, access));
}

// From here on HDF5 writes this file into memory. It must not meet a full disk: a file that it cannot flush it keeps,
// and crashes on when the program ends. Only pages that are written take memory, and the tensors' are not.
void divert_to_memory(hid_t file, const File& memory, const fs::path& path) {
  void* handle = nullptr;
  check(H5Fget_vfd_handle(file, H5P_DEFAULT, &handle) >= 0 && handle != nullptr, "create", "HDF5 gives no descriptor",
        path);
  const int descriptor = *static_cast<const int*>(handle);
  check(::dup3(memory.descriptor(), descriptor, O_CLOEXEC) == descriptor, "create", std::strerror(errno), path);
}

std::int64_t create_dataset(hid_t file, const TensorInfo& tensor, const fs::path& path) {
  const Hdf5PropertiesId creation(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_layout(creation, H5D_CONTIGUOUS);
  H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER);
  H5Pset_obj_track_times(creation, false);
  const std::vector<hsize_t> sizes(tensor.shape.begin(), tensor.shape.end());
  const Hdf5SpaceId space(H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr));
  const Hdf5DatasetId dataset(
      H5Dcreate2(file, tensor.name.c_str(), stored_type(tensor.type), space, H5P_DEFAULT, creation, H5P_DEFAULT));
  check(dataset.valid(), "create a dataset in", dataset.reason(), path);
  const haddr_t offset = H5Dget_offset(dataset);
  check(offset != HADDR_UNDEF, "allocate a dataset in", "HDF5 gives it no place", path);
  return static_cast<std::int64_t>(offset);
}

// Copies what lies outside the tensors: HDF5's own bytes.
void copy_structure(const File& from, const File& to, std::span<const TensorInfo> tensors, const StateLayout& layout) {
  std::vector<Range> taken;
  for (std::size_t t = 0; t < tensors.size(); ++t)
    taken.push_back({layout.offsets[t], layout.offsets[t] + tensors[t].bytes()});
  std::ranges::sort(taken, {}, &Range::begin);
  taken.push_back({layout.file_bytes, layout.file_bytes});
  std::int64_t at = 0;
  for (const Range& tensor : taken) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(tensor.begin - at));
    from.read_at(at, bytes);
    to.write_at(at, bytes);
    at = tensor.end;
  }
}

// The limit of file sizes counts for files in memory, too, and HDF5 does not survive a write beyond it: what comes near is refused
// before.
void expect_size_allowed(const fs::path& path, std::span<const TensorInfo> tensors) {
  rlimit limit{};
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  constexpr std::int64_t structure = 16 << 10, structure_a_tensor = 1 << 10;  // at most
  std::int64_t bytes = structure;
  for (const TensorInfo& tensor : tensors) bytes += structure_a_tensor + tensor.bytes();
  if (static_cast<rlim_t>(bytes) <= limit.rlim_cur) return;
  throw WriteError(fmt::format("{}: about {} bytes, and this process may write {} to a file", std::strerror(EFBIG), bytes, limit.rlim_cur), path.string(),
                   "raise the limit of file sizes (ulimit -f)");
}

}  // namespace

StateLayout create_state_file(const fs::path& path, std::span<const TensorInfo> tensors) {
  expect_size_allowed(path, tensors);
  prepare_hdf5();
  const File memory = File::in_memory();
  StateLayout layout;
  {
    Hdf5FileId file = create_file(path);
    check(file.valid(), "create", file.reason(), path);
    divert_to_memory(file, memory, path);
    for (const TensorInfo& tensor : tensors) layout.offsets.push_back(create_dataset(file, tensor, path));
    check(file.close(), "lay out", file.reason(), path);
  }
  layout.file_bytes = memory.size();
  const File file = File::open_to_write(path);
  file.reserve(layout.file_bytes);
  copy_structure(memory, file, tensors, layout);
  return layout;
}

}  // namespace trellis::checkpoint
