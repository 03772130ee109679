#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <map>

#include "base/errors.h"
#include "checkpoint/files.h"
#include "checkpoint/hdf5.h"
#include "checkpoint/state_file.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

class Policy {
 public:
  Policy(const fs::path& path, std::int64_t file_bytes) : path_(path), file_bytes_(file_bytes) {}

  void expect(bool holds, const std::string& name, const std::string& fault) const {
    if (holds) return;
    H5Eclear2(H5E_DEFAULT);
    throw DataError(name.empty() ? fault : "dataset \"" + name + "\" " + fault, path_.string(),
                    "the file is no checkpoint of this program, or damaged: use another checkpoint");
  }

  // Every link of the root group must be a hard link to a dataset that the manifest names.
  void check_links(hid_t file, std::span<const TensorInfo> tensors) const {
    H5G_info_t group = {};
    expect(H5Gget_info(file, &group) >= 0, "", "the root group cannot be read");
    expect(group.nlinks == tensors.size(), "",
           fmt::format("the file holds {} objects, expected {}", group.nlinks, tensors.size()));
    for (const TensorInfo& tensor : tensors) {
      H5L_info_t link = {};
      expect(H5Lget_info(file, tensor.name.c_str(), &link, H5P_DEFAULT) >= 0, tensor.name, "is missing");
      expect(link.type == H5L_TYPE_HARD, tensor.name, "is a soft or external link");
    }
    H5O_info_t root = {};
    expect(H5Oget_info2(file, &root, H5O_INFO_NUM_ATTRS) >= 0 && root.num_attrs == 0, "",
           "the root group has attributes");
  }

  // Gives the offset of the dataset's first byte.
  std::int64_t check_dataset(hid_t file, const TensorInfo& tensor) const {
    const std::string& name = tensor.name;
    const Hdf5Object object(H5Oopen(file, name.c_str(), H5P_DEFAULT));
    expect(object.valid(), name, "cannot be opened");
    H5O_info_t info = {};
    expect(H5Oget_info2(object, &info, H5O_INFO_BASIC | H5O_INFO_NUM_ATTRS) >= 0, name, "cannot be read");
    expect(info.type == H5O_TYPE_DATASET, name, "is no dataset");
    expect(info.num_attrs == 0, name, "has attributes");

    const Hdf5Properties creation(H5Dget_create_plist(object));
    expect(creation.valid(), name, "cannot be read");
    expect(H5Pget_layout(creation) == H5D_CONTIGUOUS, name, "is not contiguous");
    expect(H5Pget_external_count(creation) == 0, name, "lies in another file");
    expect(H5Pget_nfilters(creation) == 0, name, "is filtered");

    const Hdf5Type type(H5Dget_type(object));
    expect(type.valid() && H5Tcommitted(type) == 0 && H5Tequal(type, stored_type(tensor.type)) > 0, name,
           fmt::format("is not of the plain little-endian type {}", element_name(tensor.type)));
    check_shape(object, tensor);

    const haddr_t offset = H5Dget_offset(object);
    expect(offset != HADDR_UNDEF && offset <= static_cast<haddr_t>(file_bytes_) &&
               tensor.bytes() <= file_bytes_ - static_cast<std::int64_t>(offset) &&
               H5Dget_storage_size(object) == static_cast<hsize_t>(tensor.bytes()),
           name, "does not lie within the file");
    return static_cast<std::int64_t>(offset);
  }

 private:
  void check_shape(hid_t dataset, const TensorInfo& tensor) const {
    const Hdf5Space space(H5Dget_space(dataset));
    expect(space.valid() && H5Sget_simple_extent_type(space) == H5S_SIMPLE, tensor.name, "has no simple shape");
    const int dimensions = H5Sget_simple_extent_ndims(space);
    expect(dimensions == static_cast<int>(tensor.shape.size()), tensor.name,
           fmt::format("has {} dimensions, expected {}", dimensions, tensor.shape.size()));
    std::vector<hsize_t> sizes(tensor.shape.size()), largest(tensor.shape.size());
    H5Sget_simple_extent_dims(space, sizes.data(), largest.data());
    const std::vector<hsize_t> expected(tensor.shape.begin(), tensor.shape.end());
    expect(sizes == expected && largest == expected, tensor.name,
           fmt::format("has the shape [{}], expected [{}]", fmt::join(sizes, ", "), fmt::join(expected, ", ")));
  }

  const fs::path& path_;
  std::int64_t file_bytes_;
};

}  // namespace

StateLayout check_state_file(const fs::path& path, std::span<const TensorInfo> tensors) {
  prepare_hdf5();
  StateLayout layout;
  layout.file_bytes = File::open_to_read(path).size();
  const Policy policy(path, layout.file_bytes);
  policy.expect(H5Fis_hdf5(path.c_str()) > 0, "", "the file is no HDF5 file");
  const Hdf5Properties access(H5Pcreate(H5P_FILE_ACCESS));
  lock_no_files(access);
  const Hdf5File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access));
  policy.expect(file.valid(), "", "the file cannot be opened by HDF5");
  policy.check_links(file, tensors);
  std::map<std::int64_t, std::int64_t> ends;  // offset -> end of every dataset
  for (const TensorInfo& tensor : tensors) {
    const std::int64_t offset = policy.check_dataset(file, tensor);
    layout.offsets.push_back(offset);
    const bool fresh = ends.emplace(offset, offset + tensor.bytes()).second;
    policy.expect(fresh, tensor.name, "shares its bytes with another");
  }
  std::int64_t previous_end = 0;
  for (const auto& [offset, end] : ends) {
    policy.expect(offset >= previous_end, "", "two datasets share bytes");
    previous_end = end;
  }
  return layout;
}

}  // namespace trellis::checkpoint
