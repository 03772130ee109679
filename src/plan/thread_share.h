// How many threads each rank of a machine computes with.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "base/processors.h"

namespace trellis {

struct ThreadShare {
  int threads = 1;  // at least 1
  // What it would be if the ranks were bound to nothing, and nothing limited their control group's time.
  int unbound = 1, unlimited = 1;
};

// The share of one rank: every processor is dealt evenly to the ranks that may run on it, and a control group's time to all ranks of
// the machine. ranks: what each rank of the machine may use; own: the index of the one that asks.
ThreadShare thread_share(std::span<const Processors> ranks, std::size_t own);

// For the user: why a rank has no more threads than it has, and the one thing that would give it more; empty where nothing is
// withheld. ranks: of its machine; launched: by mpirun.
std::string thread_share_remark(const ThreadShare& share, const Processors& own, std::size_t ranks, bool launched);

// How many threads to compute with while others take that many processors' worth of the `allowed` ones: so many that none waits
// for a processor. Between 1 and `most`.
int threads_beside(double taken_by_others, int allowed, int most);

}  // namespace trellis
