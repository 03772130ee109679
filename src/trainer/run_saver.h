// Saving a run, so that a save that fails ends nothing: it is told, training goes on, and it is tried again, after a pause and
// wherever a checkpoint is due. Where there is no room, the oldest checkpoints go that a successful save would have removed: never
// the newest, never the best.
#pragma once

#include <filesystem>
#include <optional>

#include "base/errors.h"
#include "checkpoint/writer.h"
#include "ranks/ranks.h"
#include "train/step.h"
#include "trainer/checkpointing.h"
#include "trainer/run_directory.h"
#include "trainer/storage_check.h"

namespace trellis {

struct SavedCheckpoint {
  std::int64_t step = 0;
  std::filesystem::path path;
};

class RunSaver {
 public:
  RunSaver(const Ranks& ranks, const RunDirectory& directory) : ranks_(ranks), directory_(directory) {}

  // A checkpoint that the run goes on from.
  void resumed_from(SavedCheckpoint checkpoint, const RunState& state);

  // Collective. Saves and removes what is too old; empty when that failed, which every rank then knows and rank 0 has told. Errors
  // other than WriteError are thrown.
  std::optional<WriteReport> save(TrainingStep& training, const CheckpointState& state, const KeptCheckpoints& kept);

  const std::optional<SavedCheckpoint>& newest() const { return newest_; }  // whole and on the disk, of this run
  // What the last save failed for; empty when it did not.
  const std::optional<Error>& failure() const { return failure_; }
  // By this rank's clock: the last save has failed, and the pause after it is over. The pause doubles from one failure to the next,
  // from half a minute to half an hour.
  bool retry_is_due(double now_seconds) const { return retry_at_ && now_seconds >= *retry_at_; }

  // Throws the WriteError of a run that ends at `step` and could not be saved there. On all ranks alike.
  [[noreturn]] void throw_unsaved(std::int64_t step) const;

 private:
  WriteReport write(TrainingStep& training, const CheckpointState& state, const KeptCheckpoints& kept);
  bool make_room(std::int64_t bytes, const KeptCheckpoints& kept);
  std::size_t remove_old(int keep);
  void tell_failure(std::int64_t step, const Error& error) const;
  std::string where_the_run_stands() const;

  const Ranks ranks_;
  const RunDirectory directory_;
  std::optional<SavedCheckpoint> newest_;
  std::optional<std::int64_t> best_;  // step of the best checkpoint among those on the disk
  std::optional<Error> failure_;
  std::optional<double> retry_at_;
  double pause_seconds_ = 0;
};

}  // namespace trellis
