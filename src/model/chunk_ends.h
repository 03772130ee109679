// The last rows of every chunk of time of one level's input, h or c, whose memory the chunk's other levels use after it: what
// later chunks need of it as their halo, forward and, when the input is computed again, backward.
//
// A halo may be longer than a chunk; then it is made of the ends of several. Of every chunk no more is kept than a halo, so all
// ends together never are more than the window. A window of one chunk keeps nothing.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "plan/shard_range.h"

namespace trellis {

class ChunkEnds {
 public:
  // halo: steps in front of a chunk that its level reads.
  ChunkEnds(std::int64_t halo, std::int64_t lanes) : halo_(halo), lanes_(lanes) {}

  // Below, `input` is [(halo + steps of the window) * lanes, channels], in which `chunk` has been computed. Chunks come in order,
  // the first beginning at step 0, where what was kept of an earlier window is forgotten.
  void keep(const at::Tensor& input, Range chunk);
  // Puts the steps from 0 on that are in front of `chunk`, as far as its halo reaches, back to their places.
  void bring_back(const at::Tensor& input, Range chunk) const;

 private:
  at::Tensor rows_of(const at::Tensor& input, Range steps) const;

  struct End {
    Range steps;
    at::Tensor memory;  // [at least steps * lanes, channels]
  };
  std::int64_t halo_, lanes_;
  std::size_t count_ = 0;  // of this window
  std::vector<End> ends_;
};

}  // namespace trellis
