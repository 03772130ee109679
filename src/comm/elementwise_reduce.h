// The arithmetic of reductions: out[i] = ((source_0[i] op source_1[i]) op source_2[i]) ..., always in this order, so that
// the bits do not depend on who computes it or when.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "mpi/communicator.h"

namespace trellis {

// Reduces `count` elements of dtype. `out` may be one of the sources; `copy`, if not null, receives the same result.
// At least one source. The maximum or minimum with a NaN is NaN. Supports float32, float64, int64, int32, uint8 and, but
// for sum, bool; throws InternalError for others.
void reduce_in_order(at::ScalarType dtype, Reduction reduction, std::span<const std::byte* const> sources, std::byte* out,
                     std::byte* copy, std::int64_t count);

}  // namespace trellis
