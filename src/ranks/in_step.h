// Long local work that all ranks do in step, and can leave together in between.
#pragma once

#include <cstdint>
#include <functional>

#include "mpi/communicator.h"

namespace trellis {

// A place in the work that all ranks have come to: how far it is, and what signals have asked of any rank meanwhile.
struct Pause {
  std::int64_t done = 0, count = 0;  // pieces of work
  bool stop = false, checkpoint = false;
};
// Called on all ranks at each pause. May be collective, and may throw, alike on all ranks, to leave the work.
using AtPause = std::function<void(const Pause&)>;

// Collective. Calls piece(n) for n = 0 .. count - 1 in order, each rank on its own. After the first, then about every half second,
// and after the same piece on all ranks, there is a pause, but none after the last. An error of any rank's piece ends the work at the
// next pause, thrown by all ranks.
void work_in_step(const Communicator& world, std::int64_t count, const std::function<void(std::int64_t)>& piece, const AtPause& at_pause);

}  // namespace trellis
