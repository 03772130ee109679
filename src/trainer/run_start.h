// What a run starts from: settings and state of a checkpoint, or the settings as given.
#pragma once

#include <optional>

#include "checkpoint/reader.h"
#include "checkpoint/run_lock.h"
#include "config/settings_io.h"
#include "ranks/ranks.h"
#include "train/dataset.h"
#include "trainer/checkpointing.h"
#include "trainer/run_directory.h"
#include "trainer/train_request.h"

namespace trellis {

struct RunStart {
  RunLock lock;  // of the run's directory, which all ranks have been found to share
  LoadedSettings settings;
  std::optional<CheckpointReader> resumed;
  CheckpointState saved;  // what `resumed` holds
};

// Collective. Ranks that were given different settings or corpora, or see different directories or checkpoints, are refused; so are
// settings that do not fit each other or the ranks, a run that is there already unless it is to be resumed, and a resume with
// settings or data that would make it another run. Nothing in the directory is changed but what killed writers have left.
RunStart start_run(const Ranks& ranks, const TrainRequest& request, const RunDirectory& directory, const Dataset& data);

}  // namespace trellis
