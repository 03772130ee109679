// The shape of every CUDA kernel here: a body that is called once for each block of threads and says what each thread does
// between one barrier and the next. A GPU runs it on threads (device.cuh), a test on a CPU in a loop over them, so that the
// arithmetic and who does which element are the same code and are tested without a GPU.
//
// A body is a copyable struct with
//   static constexpr int kThreads          threads of a block
//   struct Shared                          memory that its threads share, uninitialised
//   void operator()(block, number, shared) for block `number`; block.each(f) calls f(thread) for each thread, then waits for all
// What a thread must remember over a barrier lies in Shared.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "plan/shard_range.h"

namespace trellis::cuda {

struct NothingShared {};

inline constexpr int kThreads = 256;

// Blocks of `threads` threads that cover `items`, one a thread.
constexpr std::int64_t blocks_for(std::int64_t items, int threads = kThreads) { return (items + threads - 1) / threads; }

// combine(values[0], values[1], ...) into values[0], halves upon halves: the same order every time. Count: a power of two.
template <int Count, class Block, class Combine>
TRELLIS_HOST_DEVICE void reduce(Block& block, Combine combine) {
  for (int half = Count / 2; half > 0; half /= 2) {
    block.each([&](int thread) {
      if (thread < half) combine(thread, thread + half);
    });
  }
}

// Whole numbers that fit 32 bits are divided much faster on a GPU.
struct Division {
  std::int64_t quotient, rest;
};
TRELLIS_HOST_DEVICE inline Division divide(std::int64_t n, std::int64_t by) {
  if ((static_cast<std::uint64_t>(n) | static_cast<std::uint64_t>(by)) >> 32 == 0) {
    const auto small = static_cast<std::uint32_t>(n), divisor = static_cast<std::uint32_t>(by);
    const std::uint32_t quotient = small / divisor;
    return {quotient, small - quotient * divisor};
  }
  return {n / by, n % by};
}

}  // namespace trellis::cuda
