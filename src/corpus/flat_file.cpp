#include "corpus/flat_file.h"

#include <algorithm>
#include <fmt/format.h>
#include <hdf5.h>
#include <sys/stat.h>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr std::size_t kMaxAttributeBytes = 256;
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

std::string type_name(Element element) { return fmt::format("little-endian uint{}", 8 * size_of(element)); }

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

class Inspection {
 public:
  Inspection(const File& file, std::vector<FlatDataset> allowed)
      : path_(file.path()), bytes_(file.size()), allowed_(std::move(allowed)) {}

  void run(const File& opened, FlatAttributes& attributes) {
    const Handle access = file_access();
    Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
    if (!file.valid()) refuse(fmt::format("is no readable HDF5 file: {}", hdf5_cause()));
    same_file(file.get(), access.get(), opened);
    Handle root(H5Gopen2(file.get(), "/", H5P_DEFAULT), H5Gclose);
    if (!root.valid()) refuse(fmt::format("has no root group: {}", hdf5_cause()));
    check_links(root.get());
    for (FlatDataset& dataset : allowed_) check_dataset(root.get(), dataset);
    check_attributes(root.get(), attributes);
  }
  std::vector<FlatDataset> datasets() && { return std::move(allowed_); }

 private:
  [[noreturn]] void refuse(std::string what, std::string fix = "make the corpus again with trellis-preprocess") const {
    throw DataError(std::move(what), path_.string(), std::move(fix));
  }

  // The file that was hashed must be the one that HDF5 opened by name.
  void same_file(hid_t file, hid_t access, const File& opened) const {
    void* handle = nullptr;
    struct stat ours {
    }, theirs{};
    if (H5Fget_vfd_handle(file, access, &handle) < 0 || handle == nullptr ||
        ::fstat(*static_cast<int*>(handle), &theirs) != 0 || ::fstat(opened.descriptor(), &ours) != 0 ||
        ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino)
      refuse("was replaced while it was being opened", "leave the corpus alone while it is in use");
  }

  // Exactly the allowed names, all of them hard links.
  void check_links(hid_t root) const {
    H5G_info_t info{};
    if (H5Gget_info(root, &info) < 0) refuse(fmt::format("has an unreadable root group: {}", hdf5_cause()));
    for (const FlatDataset& dataset : allowed_) {
      if (H5Lexists(root, dataset.name.c_str(), H5P_DEFAULT) <= 0) refuse(fmt::format("has no /{}", dataset.name));
      H5L_info_t link{};
      if (H5Lget_info(root, dataset.name.c_str(), &link, H5P_DEFAULT) < 0)
        refuse(fmt::format("/{}: {}", dataset.name, hdf5_cause()));
      if (link.type != H5L_TYPE_HARD)
        refuse(fmt::format("/{} is {}, expected a dataset in this file", dataset.name,
                           link.type == H5L_TYPE_SOFT ? "a soft link" : "an external link"));
    }
    if (info.nlinks != allowed_.size())
      refuse(
          fmt::format("holds {} objects, expected {}: something else was put into it", info.nlinks, allowed_.size()));
  }

  void check_dataset(hid_t root, FlatDataset& dataset) const {
    const std::string& name = dataset.name;
    Handle object(H5Oopen(root, name.c_str(), H5P_DEFAULT), H5Oclose);
    if (!object.valid()) refuse(fmt::format("/{} cannot be opened: {}", name, hdf5_cause()));
    if (H5Iget_type(object.get()) != H5I_DATASET) refuse(fmt::format("/{} is not a dataset", name));
    Handle type(H5Dget_type(object.get()), H5Tclose);
    if (!type.valid() || H5Tcommitted(type.get()) != 0 || H5Tequal(type.get(), file_type(dataset.element)) <= 0)
      refuse(fmt::format("/{} has another element type, expected {}", name, type_name(dataset.element)));
    check_storage(object.get(), name);

    Handle space(H5Dget_space(object.get()), H5Sclose);
    const int rank = space.valid() ? H5Sget_simple_extent_ndims(space.get()) : -1;
    std::vector<hsize_t> shape = shape_of(dataset), most(shape.size());
    if (rank != static_cast<int>(shape.size()))
      refuse(fmt::format("/{} has {} dimensions, expected {}", name, rank, shape.size()));
    const std::vector<hsize_t> row(shape.begin() + 1, shape.end());
    if (H5Sget_simple_extent_dims(space.get(), shape.data(), most.data()) != rank)
      refuse(fmt::format("/{}: {}", name, hdf5_cause()));
    const std::string size = fmt::format("{}", fmt::join(shape, " x "));
    if (!std::equal(row.begin(), row.end(), shape.begin() + 1))
      refuse(fmt::format("/{} has {} elements, expected rows of {}", name, size, fmt::join(row, " x ")));
    if (most != shape) refuse(fmt::format("/{} has room to grow, expected a fixed size of {}", name, size));
    const hsize_t count = shape[0], row_bytes = static_cast<hsize_t>(dataset.row_bytes()),
                  bytes = static_cast<hsize_t>(bytes_);
    const haddr_t offset = H5Dget_offset(object.get());
    // row_bytes is what the caller expects and count <= bytes / row_bytes: no product can overflow
    if (count == 0 || count > bytes / row_bytes || offset == HADDR_UNDEF || offset > bytes - count * row_bytes)
      refuse(fmt::format("/{} claims {} elements at byte {}, but the file has {} bytes", name, size,
                         offset == HADDR_UNDEF ? std::string("nowhere") : std::to_string(offset), bytes_));
    if (H5Dget_storage_size(object.get()) != count * row_bytes)
      refuse(
          fmt::format("/{} stores {} bytes, expected {}", name, H5Dget_storage_size(object.get()), count * row_bytes));
    dataset.count = static_cast<std::int64_t>(count);
    dataset.offset = static_cast<std::int64_t>(offset);
  }

  void check_storage(hid_t dataset, const std::string& name) const {
    Handle creation(H5Dget_create_plist(dataset), H5Pclose);
    if (!creation.valid()) refuse(fmt::format("/{}: {}", name, hdf5_cause()));
    switch (H5Pget_layout(creation.get())) {
      case H5D_CONTIGUOUS:
        break;
      case H5D_CHUNKED:
        refuse(fmt::format("/{} is chunked, expected contiguous data", name));
      case H5D_COMPACT:
        refuse(fmt::format("/{} is compact, expected contiguous data", name));
      case H5D_VIRTUAL:
        refuse(fmt::format("/{} is a virtual dataset, expected contiguous data", name));
      default:
        refuse(fmt::format("/{} has an unknown layout, expected contiguous data", name));
    }
    if (H5Pget_external_count(creation.get()) != 0)
      refuse(fmt::format("/{} keeps its data in another file, expected it in this one", name));
    if (H5Pget_nfilters(creation.get()) != 0) refuse(fmt::format("/{} is filtered, expected plain data", name));
  }

  void check_attributes(hid_t root, FlatAttributes& attributes) const {
    for (auto& [name, value] : attributes) {
      if (H5Aexists(root, name.c_str()) <= 0) refuse(fmt::format("has no attribute '{}'", name));
      Handle attribute(H5Aopen(root, name.c_str(), H5P_DEFAULT), H5Aclose);
      Handle type(attribute.valid() ? H5Aget_type(attribute.get()) : H5I_INVALID_HID, H5Tclose);
      Handle space(attribute.valid() ? H5Aget_space(attribute.get()) : H5I_INVALID_HID, H5Sclose);
      if (!type.valid() || !space.valid() || H5Tget_class(type.get()) != H5T_STRING ||
          H5Tis_variable_str(type.get()) != 0 || H5Sget_simple_extent_type(space.get()) != H5S_SCALAR ||
          H5Tget_size(type.get()) > kMaxAttributeBytes)
        refuse(fmt::format("attribute '{}' is not a short fixed-length string", name));
      value.assign(H5Tget_size(type.get()), '\0');
      if (H5Aread(attribute.get(), type.get(), value.data()) < 0)
        refuse(fmt::format("attribute '{}': {}", name, hdf5_cause()));
      value.resize(std::min(value.size(), value.find('\0')));
    }
    if (const int found = H5Aget_num_attrs(root); found != static_cast<int>(attributes.size()))
      refuse(fmt::format("has {} attributes, expected {}: something else was put into it", found, attributes.size()));
  }

  const std::filesystem::path& path_;
  std::int64_t bytes_;
  std::vector<FlatDataset> allowed_;
};

}  // namespace

std::int64_t FlatDataset::row_bytes() const {
  std::int64_t bytes = size_of(element);
  for (const std::int64_t size : row) bytes *= size;
  return bytes;
}

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
    require(!value.empty() && value.size() <= kMaxAttributeBytes, "a corpus attribute is empty or too long");
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

std::vector<FlatDataset> inspect_flat_file(const File& file, std::vector<FlatDataset> allowed,
                                           FlatAttributes& attributes) {
  leave_out_exit_cleanup();
  const QuietHdf5 quiet;
  Inspection inspection(file, std::move(allowed));
  inspection.run(file, attributes);
  return std::move(inspection).datasets();
}

}  // namespace trellis
