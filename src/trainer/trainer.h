// The training loop: windows in order, validation, learning rate, checkpoints, stop rules, progress.
#pragma once

#include "base/exit_codes.h"
#include "ranks/ranks.h"
#include "trainer/train_request.h"

namespace trellis {

// Collective. Returns done, or stopped_early when a signal or train.seconds ended the run before its end. Throws what
// goes wrong, agreed over the ranks wherever several could be waiting.
ExitCode train(const Ranks& ranks, TrainRequest request);

}  // namespace trellis
