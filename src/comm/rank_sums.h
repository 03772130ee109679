// Sums of a few numbers over ranks, with the same bits on every one of them.
#pragma once

#include <ATen/ATen.h>

#include "comm/process_group.h"

namespace trellis {

// Collective over `group`; null: this rank alone. values: [n] float64 of each rank, on the group's device. Returns their sums [n],
// without waiting for a GPU. On a CPU they are added in rank order, on a GPU in an order that the number of ranks decides; an
// all-reduce may add in another order from group to group.
at::Tensor sum_over_ranks(const ProcessGroup* group, const at::Tensor& values);

}  // namespace trellis
