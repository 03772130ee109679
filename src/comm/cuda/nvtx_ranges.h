// Spans (base/time_span.h) as NVTX ranges: what a profiler of the GPU, Nsight Systems for one, shows above the kernels that a
// piece of work launched. Without such a tool a range costs a test of a pointer.
#pragma once

#include "base/time_span.h"

namespace trellis {

// A range's message is the span's name; its payload the level, or the output or cluster of words, if the span has either.
extern const RangeHooks kNvtxRanges;

}  // namespace trellis
