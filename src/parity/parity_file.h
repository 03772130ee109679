// A parity file: one case of an oracle, written by an independent implementation (tests/parity/README.md has the format).
#pragma once

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "hdf5/structure.h"
#include "storage/file.h"

namespace trellis {

class ParityFile {
 public:
  // Checks all of the file's structure; calls no HDF5. Throws MissingInputError or DataError.
  explicit ParityFile(const std::string& path);

  const std::string& path() const { return path_; }
  const nlohmann::json& config() const { return config_; }
  bool contains(const std::string& name) const;
  // Names of the datasets of a group, sorted; empty if there is no such group.
  std::vector<std::string> names(const std::string& group) const;
  // float64 or int64, as stored. Throws DataError if it is not there or of another type.
  at::Tensor read(const std::string& name) const;

 private:
  const Hdf5Dataset* find(const std::string& name) const;  // null where there is none

  std::string path_;
  File file_;
  Hdf5Structure structure_;
  nlohmann::json config_;
};

}  // namespace trellis
