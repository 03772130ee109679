// What levels cost, from a few timings of stacks of them (predict/rates.h).
#pragma once

#include <cstdint>

#include "predict/rates.h"

namespace trellis {

// Timings of one stack, none of whose levels is level 0, over a window of so many rows: as one chunk, and cut into `chunks`.
struct StackTiming {
  std::int64_t levels = 1, rows = 1, chunks = 2;
  double whole = 0, cut = 0;  // seconds, forward and backward, without what comes once a window
  double window = 0;          // seconds of the kernel's gradient
};

// The cost under which `many` takes as long as was measured and `few`, with fewer levels, nearly so: where the two cannot both
// be met without a negative cost, `few` gives way.
BodyCost body_cost_from(const StackTiming& few, const StackTiming& many);

}  // namespace trellis
