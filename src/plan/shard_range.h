// Splits a count into contiguous, nearly equal ranges, one per part. Integers only; no MPI, no CUDA.
// Used for: lanes over data-parallel ranks, rows of a checkpoint over the ranks that write it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace trellis {

// Half-open range [begin, end).
struct Range {
  std::int64_t begin = 0, end = 0;
  constexpr std::int64_t size() const { return end - begin; }
  constexpr bool empty() const { return end <= begin; }
  constexpr bool contains(std::int64_t i) const { return begin <= i && i < end; }
  bool operator==(const Range&) const = default;
};

// The range of part `index` when `count` items are dealt to `parts` parts, the first (count % parts) parts getting one
// more. Requires parts >= 1 and 0 <= index < parts.
constexpr Range shard_range(std::int64_t count, int parts, int index) {
  const std::int64_t base = count / parts, extra = count % parts;
  const std::int64_t begin = index * base + std::min<std::int64_t>(index, extra);
  return {begin, begin + base + (index < extra ? 1 : 0)};
}
static_assert(shard_range(100'000'001, 4, 3).end == 100'000'001);

}  // namespace trellis
