// What of a run goes into a checkpoint, and back: tensors by name, and the state object beside them. docs/formats.md lists
// the names. Written on any number of ranks and any mesh, read on any other: every tensor is there once, whole.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/reader.h"
#include "checkpoint/writer.h"
#include "config/settings.h"
#include "ranks/ranks.h"
#include "train/step.h"
#include "trainer/run_state.h"

namespace trellis {

// What a checkpoint says about its run besides tensors.
struct CheckpointState {
  RunState run;
  Settings settings;
  nlohmann::json data;  // Dataset::identity() of what it was trained on
};

// Collective over the ranks of the training's mesh. Every rank writes about as many bytes: of what all hold, its share, and of
// its stripes of the vocabulary, its share among those that hold the same. Lanes are written by the first stage of their
// replica, whose stages all have them (Task::lanes).
WriteReport save_checkpoint(const Ranks& ranks, const std::filesystem::path& root, TrainingStep& training, const CheckpointState& state);

// About how many bytes of the disk a checkpoint of this training takes, the averages counted that it may yet begin.
std::int64_t checkpoint_bytes(TrainingStep& training, const Settings& settings);

// Throws DataError when the checkpoint was not written by a training run, or by an incompatible version.
CheckpointState read_state(const CheckpointReader& reader);

// Weights only: for evaluation, and to start a new run from; the averages where the run has begun to average. float32 and
// float64 are converted. Throws DataError if they do not fit the network.
void load_weights(const CheckpointReader& reader, Parameters& weights);
// Weights and optimizer, of them this rank's stripes, and this rank's lanes of what the task carries. Not collective.
void load_training(const CheckpointReader& reader, const CheckpointState& state, TrainingStep& training);

}  // namespace trellis
