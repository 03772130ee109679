// Runs to plan for.
#pragma once

#include "predict/run_numbers.h"

namespace trellis {

// configs/wt103-paper.ini: the published step of 40 lanes x 75 steps.
inline RunNumbers wikitext103() {
  RunNumbers run;
  run.shape.levels = 75, run.shape.hidden = 2112, run.shape.outputs = 512, run.shape.embedding = 512, run.shape.vocabulary = 267735;
  run.shape.cutoffs = {2800, 20000, 76000};
  run.lanes = 40, run.steps = 75;
  return run;
}

inline RunNumbers small_run() {
  RunNumbers run;
  run.shape.levels = 8, run.shape.hidden = 64, run.shape.outputs = 32, run.shape.embedding = 32, run.shape.vocabulary = 1000;
  run.shape.cutoffs = {100, 400}, run.shape.auxiliary_every = 3;
  run.lanes = 6, run.steps = 16;
  return run;
}

}  // namespace trellis
