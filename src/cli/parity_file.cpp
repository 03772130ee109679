#include "cli/parity_file.h"

#include <fmt/core.h>
#include <hdf5.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr hsize_t kLargestElements = hsize_t{1} << 28;  // 2 GiB of float64: cases are small

// One HDF5 handle, closed by the function that fits it.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }
  bool ok() const { return id_ >= 0; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

std::string read_config(hid_t file, const std::string& path) {
  const auto bad = [&](const char* what) {
    return DataError(what, path + ": attribute config", "write the file with make_fixtures.py, or as its format says");
  };
  if (H5Aexists(file, "config") <= 0) throw bad("there is no attribute 'config'");
  const Handle attribute(H5Aopen(file, "config", H5P_DEFAULT), H5Aclose);
  const Handle type(attribute.ok() ? H5Aget_type(attribute) : -1, H5Tclose);
  const Handle space(attribute.ok() ? H5Aget_space(attribute) : -1, H5Sclose);
  if (!type.ok() || !space.ok() || H5Tget_class(type) != H5T_STRING || H5Sget_simple_extent_npoints(space) != 1) {
    throw bad("the attribute 'config' is not one string");
  }
  if (H5Tis_variable_str(type) > 0) {
    char* text = nullptr;
    const Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
    H5Tset_size(memory, H5T_VARIABLE);
    H5Tset_cset(memory, H5Tget_cset(type));
    if (H5Aread(attribute, memory, &text) < 0 || text == nullptr) throw bad("the attribute 'config' cannot be read");
    std::string result(text);
    H5free_memory(text);
    return result;
  }
  std::string result(H5Tget_size(type), '\0');
  if (H5Aread(attribute, type, result.data()) < 0) throw bad("the attribute 'config' cannot be read");
  result.resize(std::min(result.find('\0'), result.size()));
  return result;
}

}  // namespace

ParityFile::ParityFile(const std::string& path) : path_(path) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) throw MissingInputError("no such file", path, "check the path");
  if (!S_ISREG(status.st_mode) || H5Fis_hdf5(path.c_str()) <= 0) {
    throw DataError("not an HDF5 file", path, "parity reads files of the format in tests/parity/README.md");
  }
  file_ = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (file_ < 0) throw DataError("HDF5 cannot open the file", path, "the file is damaged: write it again");
  try {
    config_ = nlohmann::json::parse(read_config(file_, path));
    if (!config_.is_object()) throw DataError("the attribute 'config' is not a JSON object", path, "write the file again");
  } catch (const nlohmann::json::exception& e) {
    H5Fclose(file_);
    throw DataError(fmt::format("the attribute 'config' is not JSON: {}", e.what()), path, "write the file again");
  } catch (...) {
    H5Fclose(file_);
    throw;
  }
}

ParityFile::~ParityFile() { H5Fclose(file_); }

bool ParityFile::contains(const std::string& name) const {
  for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    if (H5Lexists(file_, name.substr(0, slash).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Lexists(file_, name.c_str(), H5P_DEFAULT) > 0;
}

std::vector<std::string> ParityFile::names(const std::string& group) const {
  std::vector<std::string> found;
  if (!contains(group)) return found;
  const Handle opened(H5Gopen2(file_, group.c_str(), H5P_DEFAULT), H5Gclose);
  if (!opened.ok()) throw DataError("not a group", path_ + ": " + group, "write the file again");
  H5Literate(
      opened, H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5L_info_t*, void* result) -> herr_t {
        static_cast<std::vector<std::string>*>(result)->emplace_back(name);
        return 0;
      },
      &found);
  return found;
}

at::Tensor ParityFile::read(const std::string& name) const {
  const std::string where = path_ + ": " + name;
  if (!contains(name)) throw DataError("there is no such dataset", where, "write the file again");
  const Handle dataset(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.ok()) throw DataError("not a dataset", where, "write the file again");
  const Handle type(H5Dget_type(dataset), H5Tclose), space(H5Dget_space(dataset), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  const H5T_class_t kind = H5Tget_class(type);
  if (rank < 0 || rank > 8 || (kind != H5T_FLOAT && kind != H5T_INTEGER)) {
    throw DataError("neither a floating-point nor an integer array", where, "write the file again");
  }
  std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
  H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  hsize_t count = 1;
  for (const hsize_t dim : dims) {
    if (dim > kLargestElements || (count *= dim) > kLargestElements) {
      throw DataError(fmt::format("more than {} elements", kLargestElements), where, "parity cases are small");
    }
  }
  at::Tensor values = at::empty(std::vector<std::int64_t>(dims.begin(), dims.end()), kind == H5T_FLOAT ? at::kDouble : at::kLong);
  const hid_t memory = kind == H5T_FLOAT ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
  if (count > 0 && H5Dread(dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.mutable_data_ptr()) < 0) {
    throw DataError("the dataset cannot be read", where, "the file is damaged: write it again");
  }
  return values;
}

}  // namespace trellis
