// A run's folder: settings.ini (as the run was last started), metrics.jsonl, checkpoints/, profile/, run.lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "config/settings.h"
#include "mpi/communicator.h"

namespace trellis {

class RunDirectory {
 public:
  explicit RunDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  std::filesystem::path profiles() const { return path_ / "profile"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path settings() const { return path_ / "settings.ini"; }

  // Collective. Throws OutputExistsError if a run is there already, MissingInputError if that cannot be seen.
  void refuse_existing(const Communicator& world) const;
  // Collective. A run that goes on from `step` leaves any checkpoint of a later step behind: it is damaged, or of a course
  // that was given up. Each is renamed to aside-step-..., with a warning, so that neither a resume nor pruning takes it for
  // the newest. Throws WriteError.
  void set_aside_after(const Communicator& world, std::int64_t step) const;
  // Collective, for a run that finds no checkpoint to go on from. Throws MissingInputError if the metrics tell of checkpoints: they
  // were there, and are now out of sight rather than never written.
  void refuse_lost_checkpoints(const Communicator& world) const;
  // Collective. Throws OutputExistsError if the folder holds a run whose settings differ from `settings` in one that makes it
  // another run: settings.ini tells. A folder without a run is fine.
  void refuse_other_run(const Communicator& world, const Settings& settings) const;
  // Collective; rank 0 writes: the file is replaced whole, or stays as it was. Throws WriteError.
  void write_settings(const Communicator& world, const std::string& ini) const;

 private:
  std::filesystem::path path_;
};

// Collective. Throws MissingInputError where a checkpoint is to be and a run is, or the system does not tell.
void expect_no_run(const Communicator& world, const std::filesystem::path& checkpoint);

}  // namespace trellis
