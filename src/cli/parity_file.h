// A parity file: one case of an oracle, written by an independent implementation (tests/parity/README.md has the format).
#pragma once

#include <ATen/ATen.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace trellis {

class ParityFile {
 public:
  // Throws MissingInputError or DataError.
  explicit ParityFile(const std::string& path);
  ~ParityFile();
  ParityFile(const ParityFile&) = delete;
  ParityFile& operator=(const ParityFile&) = delete;

  const std::string& path() const { return path_; }
  const nlohmann::json& config() const { return config_; }
  bool contains(const std::string& name) const;
  // Names of the datasets of a group, sorted; empty if there is no such group.
  std::vector<std::string> names(const std::string& group) const;
  // float64 or int64, as stored. Throws DataError if it is not there or of another type.
  at::Tensor read(const std::string& name) const;

 private:
  std::string path_;
  long long file_ = -1;
  nlohmann::json config_;
};

}  // namespace trellis
