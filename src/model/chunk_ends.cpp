#include "model/chunk_ends.h"

#include <algorithm>

#include "model/launch.h"

namespace trellis {

at::Tensor ChunkEnds::rows_of(const at::Tensor& input, Range steps) const {
  return input.narrow(0, (halo_ + steps.begin) * lanes_, steps.size() * lanes_);
}

void ChunkEnds::keep(const at::Tensor& input, Range chunk) {
  if (chunk.begin == 0) count_ = 0;
  const Range steps{std::max(chunk.begin, chunk.end - halo_), chunk.end};
  if (count_ == ends_.size()) ends_.emplace_back();
  End& end = ends_[count_++];
  const std::int64_t rows = steps.size() * lanes_;
  if (!end.memory.defined() || end.memory.size(0) < rows) end.memory = at::empty({rows, input.size(1)}, input.options());
  end.steps = steps;
  end.memory.narrow(0, 0, rows).copy_(rows_of(input, steps));
}

void ChunkEnds::bring_back(const at::Tensor& input, Range chunk) const {
  std::int64_t missing = chunk.begin;  // steps from here to the chunk's begin are in their places
  const std::int64_t first = std::max<std::int64_t>(0, chunk.begin - halo_);
  for (std::size_t n = count_; n-- > 0 && missing > first;) {
    const End& end = ends_[n];
    if (end.steps.begin >= chunk.begin) continue;
    const Range wanted{std::max(first, end.steps.begin), end.steps.end};
    require(wanted.end == missing, "backward has the chunks that forward had");
    rows_of(input, wanted).copy_(end.memory.narrow(0, (wanted.begin - end.steps.begin) * lanes_, wanted.size() * lanes_));
    missing = wanted.begin;
  }
  require(missing == first, "backward has the chunks that forward had");
}

}  // namespace trellis
