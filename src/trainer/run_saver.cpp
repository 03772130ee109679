#include "trainer/run_saver.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/time_span.h"
#include "checkpoint/catalogue.h"
#include "checkpoint/storage_trial.h"
#include "mpi/agreement.h"

namespace trellis {
namespace {

constexpr double kFirstPause = 30, kLongestPause = 1800;  // seconds

}  // namespace

void RunSaver::resumed_from(SavedCheckpoint checkpoint, const RunState& state) {
  newest_ = std::move(checkpoint);
  if (state.best) best_ = state.best->step;
}

std::optional<WriteReport> RunSaver::save(TrainingStep& training, const CheckpointState& state, const KeptCheckpoints& kept) {
  std::optional<WriteReport> report;
  try {
    report = write(training, state, kept);
  } catch (const WriteError& error) {  // agreed: every rank is here
    tell_failure(state.run.step, error);
    failure_ = error;
    pause_seconds_ = std::clamp(2 * pause_seconds_, kFirstPause, kLongestPause);
    retry_at_ = steady_seconds() + pause_seconds_;
    return std::nullopt;
  }
  newest_ = SavedCheckpoint{state.run.step, report->path};
  if (state.run.best && state.run.best->step == state.run.step) best_ = state.run.step;
  failure_.reset();
  retry_at_.reset();
  pause_seconds_ = 0;
  remove_old(kept.keep);
  return report;
}

WriteReport RunSaver::write(TrainingStep& training, const CheckpointState& state, const KeptCheckpoints& kept) {
  std::optional<Error> first;
  try {
    return save_checkpoint(ranks_, directory_.checkpoints(), training, state);
  } catch (const WriteError& error) {
    first = error;
  }
  if (!make_room(checkpoint_bytes(training, state.settings), kept)) {
    throw AgreedError<ExitCode::write_failed>(first->fact(), first->where(), first->fix(), ranks_.size());
  }
  return save_checkpoint(ranks_, directory_.checkpoints(), training, state);
}

// Collective. True when the folder had no room for a checkpoint, and something could be removed.
bool RunSaver::make_room(std::int64_t bytes, const KeptCheckpoints& kept) {
  std::int64_t full = 0;
  if (ranks_.rank() == 0) {
    try {
      full = room_for(directory_.checkpoints(), bytes, 1).files == 0 ? 1 : 0;
    } catch (const Error&) {  // then it is not for want of room that a save fails
    }
  }
  if (ranks_.world.broadcast(full, 0) == 0) return false;
  const std::size_t removed = remove_old(std::max(1, kept.keep - 1));
  if (removed == 0) return false;
  if (ranks_.rank() == 0) {
    log_warning("there was no room for a checkpoint in {}: {} older one(s) had to go first, so fewer than checkpoint.keep stay",
                directory_.checkpoints().string(), removed);
  }
  return true;
}

// How many. What cannot be looked at is left for the next time.
std::size_t RunSaver::remove_old(int keep) {
  try {
    return prune_checkpoints(ranks_.world, directory_.checkpoints(), keep, best_).size();
  } catch (const Agreement&) {
    const Error error = current_error();
    if (ranks_.rank() == 0) log_warning("old checkpoints stay: {}", error.what());
    return 0;
  }
}

std::string RunSaver::where_the_run_stands() const {
  return newest_ ? fmt::format("the newest whole checkpoint is {}", newest_->path.string()) : "the run has no checkpoint yet";
}

void RunSaver::tell_failure(std::int64_t step, const Error& error) const {
  if (ranks_.rank() == 0) log_warning("the run could not be saved at step {}: {}\n  {}", step, error.what(), where_the_run_stands());
}

void RunSaver::throw_unsaved(std::int64_t step) const {
  const std::string reason = failure_ ? failure_->fact() : "nothing was written";
  throw AgreedError<ExitCode::write_failed>(fmt::format("the run ends at step {} and could not be saved there: {}; {}", step, reason, where_the_run_stands()),
                                            failure_ ? failure_->where() : directory_.checkpoints().string(),
                                            newest_ ? "make room or mend the disk, then go on from that checkpoint with --resume auto"
                                                    : "make room or mend the disk, then begin again", ranks_.size());
}

}  // namespace trellis
