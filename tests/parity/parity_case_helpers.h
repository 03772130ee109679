// The program `parity` as a user starts it, and copies of parity files that a test may damage.
#pragma once

#include <gtest/gtest.h>
#include <hdf5.h>

#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

namespace trellis::testing_support {

// The folder tests/parity of SOURCE_DIR, or of the source that holds this build folder.
std::filesystem::path parity_folder();

struct Outcome {
  int code = -1;
  std::string text;  // standard output and error
};

// Runs build/bin/parity, which lies beside the folder of this test program unless BUILD_BIN says otherwise.
Outcome parity(const std::string& arguments);

// A copy of a parity file that a test may damage.
class CopiedFile : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void restore(const std::string& name = "discarded_history.h5");

  void with_file(const std::function<void(hid_t)>& change) {
    const hid_t file = H5Fopen(path_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    ASSERT_GE(file, 0);
    change(file);
    ASSERT_GE(H5Fclose(file), 0);
  }
  void remove(const std::string& name) {
    with_file([&](hid_t file) { ASSERT_GE(H5Ldelete(file, name.c_str(), H5P_DEFAULT), 0); });
  }
  // Replaces a dataset by one of another shape, full of `value`.
  template <class T>
  void replace(const std::string& name, const std::vector<hsize_t>& shape, T value) {
    remove(name);
    with_file([&](hid_t file) {
      std::size_t count = 1;
      for (const hsize_t dim : shape) count *= dim;
      const std::vector<T> values(count, value);
      const hid_t type = std::is_same_v<T, double> ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
      const hid_t space = shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
      const hid_t dataset = H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      ASSERT_GE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
      H5Dclose(dataset);
      H5Sclose(space);
    });
  }
  // Changes element `index` of a dataset.
  template <class T>
  void change(const std::string& name, std::size_t index, const std::function<T(T)>& f) {
    with_file([&](hid_t file) {
      const hid_t dataset = H5Dopen2(file, name.c_str(), H5P_DEFAULT), space = H5Dget_space(dataset);
      ASSERT_GE(dataset, 0) << name;
      std::vector<T> values(static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
      const hid_t type = std::is_same_v<T, double> ? H5T_NATIVE_DOUBLE : H5T_NATIVE_INT64;
      ASSERT_GE(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
      values.at(index) = f(values.at(index));
      ASSERT_GE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), 0);
      H5Sclose(space);
      H5Dclose(dataset);
    });
  }
  nlohmann::json config();
  void set_config(const std::string& text);
  void set(const std::string& key, const nlohmann::json& value);
  // Replays the file: it ends with this code, and says this, its name, and nothing of C++.
  void expect(int code, const std::string& text);

  std::filesystem::path folder_;
  std::string path_;
};

}  // namespace trellis::testing_support
