// HDF5 files as someone else might make them: any attributes, any dataset, any layout.
#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <vector>

#include "hdf5/flat_file.h"
#include "tests/corpus/corpus_fixture.h"

namespace trellis::testing_support {

// Makes `path` anew, with `attributes` and whatever `fill` puts into it.
inline void forge_file(const fs::path& path, const FlatAttributes& attributes, const std::function<void(hid_t)>& fill) {
  fs::remove(path);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  for (const auto& [name, value] : attributes) {
    const hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, value.size());
    const hid_t attribute = H5Acreate2(file, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT);
    H5Awrite(attribute, type, value.data());
    H5Aclose(attribute), H5Sclose(space), H5Tclose(type);
  }
  fill(file);
  H5Fclose(file);
}

// A dataset that holds zeros, at most 4096 of them.
inline void put_dataset(hid_t file, const char* name, hid_t type, std::vector<hsize_t> dims,
                        const std::function<void(hid_t)>& lay_out = {}, bool grows = false) {
  const hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
  if (lay_out) lay_out(layout);
  const std::vector<hsize_t> most(dims.size(), H5S_UNLIMITED);
  const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), grows ? most.data() : nullptr);
  const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  ASSERT_GE(dataset, 0);
  // Written only where the data lies in the file itself: a write to other storage would reach that storage.
  const std::vector<std::uint64_t> zeros(4096, 0);
  if (H5Pget_external_count(layout) == 0 && H5Pget_layout(layout) != H5D_VIRTUAL)
    H5Dwrite(dataset, H5T_NATIVE_UINT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
  H5Dclose(dataset), H5Sclose(space), H5Pclose(layout);
}

}  // namespace trellis::testing_support
