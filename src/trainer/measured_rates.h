// Measures on this machine what predictions otherwise assume: levels, loss, update and kernels of the very network, and what
// messages between the ranks cost. All ranks measure at the same time, as they will compute at the same time.
#pragma once

#include <ATen/ATen.h>

#include "config/settings.h"
#include "predict/rates.h"
#include "predict/run_numbers.h"
#include "ranks/ranks.h"

namespace trellis {

// `assumed`, with what was measured in its place: of the slowest rank, the same on all. lanes: of the replicas that are to be
// predicted, or near it. group: all ranks, for tensors of the options' device. Takes some seconds; collective over the ranks.
Rates measure_rates(const Ranks& ranks, const ProcessGroup& group, const Settings& settings, const RunNumbers& run, std::int64_t lanes,
                    at::TensorOptions options, const Rates& assumed);

}  // namespace trellis
