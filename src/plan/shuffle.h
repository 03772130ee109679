// Random permutations as pure functions of (seed, number, purpose): the same on every rank, in every pass that is
// repeated, with no state to save. Fisher and Yates's shuffle with unbiased draws.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/random.h"

namespace trellis {

// A permutation of 0 .. count - 1, each equally likely. `number`: which one of this purpose (the pass, for
// Purpose::shuffle). Requires 0 <= count < 2^32. Time and memory: O(count). The values are part of what makes a run
// reproducible: never change how they are drawn.
std::vector<std::int64_t> random_permutation(std::int64_t count, std::uint64_t seed, std::uint64_t number,
                                             Purpose purpose);

}  // namespace trellis
