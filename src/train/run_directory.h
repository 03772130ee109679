// A run's folder: settings.ini (as the run was last started), metrics.jsonl, checkpoints/, run.lock.
#pragma once

#include <filesystem>
#include <string>

#include "mpi/communicator.h"

namespace trellis {

class RunDirectory {
 public:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path settings() const { return path_ / "settings.ini"; }

  // Collective. Throws OutputExistsError if a run is there already.
  void refuse_existing(const Communicator& world) const;
  // Collective; rank 0 writes. Throws WriteError.
  void write_settings(const Communicator& world, const std::string& ini) const;

 private:
  std::filesystem::path path_;
};

}  // namespace trellis
