// How many bytes a rank has sent to other ranks through a group, by kind of operation. Counted from the calls by the formulas
// below, which are what MpiBackend's messages really send, so a plan can be held against a run whatever carried it (shared
// memory of one node sends no message, NCCL may choose other ways).
//
//   n ranks, b bytes of the tensor that a rank brings
//   all_reduce      2 (n - 1) / n b      reduce-scatter, then all-gather
//   reduce_scatter  (n - 1) / n b        every other rank gets its part
//   all_gather      (n - 1) b
//   all_to_all      the rows for other ranks
//   broadcast       (n - 1) b at the root, although the others pass it on: the sum over the ranks is right
//   send            b
#pragma once

#include <atomic>
#include <cstdint>

namespace trellis {

struct Traffic {
  std::int64_t all_reduce = 0, reduce_scatter = 0, all_gather = 0, all_to_all = 0, broadcast = 0, send = 0;  // bytes

  std::int64_t total() const { return all_reduce + reduce_scatter + all_gather + all_to_all + broadcast + send; }
  Traffic operator-(const Traffic& earlier) const {
    return {all_reduce - earlier.all_reduce, reduce_scatter - earlier.reduce_scatter, all_gather - earlier.all_gather,
            all_to_all - earlier.all_to_all, broadcast - earlier.broadcast,           send - earlier.send};
  }
  bool operator==(const Traffic&) const = default;
};

// Added to by any thread.
struct TrafficCounter {
  std::atomic<std::int64_t> all_reduce = 0, reduce_scatter = 0, all_gather = 0, all_to_all = 0, broadcast = 0, send = 0;

  Traffic read() const { return {all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, send}; }
};

}  // namespace trellis
