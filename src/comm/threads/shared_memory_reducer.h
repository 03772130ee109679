// All-reduce through memory that the ranks of one node share: about three times as fast as messages for large tensors
// (tests/benchmarks/allreduce_bandwidth.cpp), because each byte is copied once into a cache-sized buffer and once out.
//
// The tensor goes through in segments. In each, every rank
//   1. deposits the slices that the others will reduce,
//   2. reduces its own slice over all ranks in rank order, into its tensor and into the buffer,
//   3. collects the other slices.
// Two buffers alternate, so step 1 of the next segment comes before step 3 of this one and nobody waits for a copy.
// Segments small enough are deposited whole and reduced by every rank: one wait instead of two.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "comm/mpi/polling.h"
#include "mpi/communicator.h"

namespace trellis {

class SharedMemoryReducer {
 public:
  // Collective; null on every rank if they are not all on one node, or the node grants no shared memory.
  static std::unique_ptr<SharedMemoryReducer> create(const Communicator& communicator);
  SharedMemoryReducer(const SharedMemoryReducer&) = delete;
  SharedMemoryReducer& operator=(const SharedMemoryReducer&) = delete;
  ~SharedMemoryReducer();

  // Collective, in place. `collective`: its number in the group. InternalError on every rank if they disagree about that,
  // size, dtype or reduction.
  void all_reduce(std::span<std::byte> bytes, at::ScalarType dtype, Reduction reduction, std::uint64_t collective,
                  const Patience& patience);
  // Number of the last collective that the rank began here; 0: none.
  std::uint64_t last_collective(int rank) const;

 private:
  struct Slot;     // what one rank shares
  struct Segment;  // the part of the tensor that goes through at once

  SharedMemoryReducer(std::byte* memory, int rank, int size);
  static std::size_t memory_bytes(int size);

  void deposit(const Segment& segment);
  void reduce_own_slice(const Segment& segment, const Patience& patience);
  void collect(const Segment& segment, const Patience& patience);
  void reduce_whole(const Segment& segment, const Patience& patience);
  void wait_for_deposits(const Segment& segment, const Patience& patience);
  Slot& slot(int rank) const;
  std::byte* deposited(int rank, std::uint64_t step) const;
  std::byte* reduced(int rank, std::uint64_t step) const;

  std::byte* memory_;  // the slots of all ranks
  int rank_, size_;
  std::uint64_t step_ = 0;  // segments so far, the same on every rank
};

}  // namespace trellis
