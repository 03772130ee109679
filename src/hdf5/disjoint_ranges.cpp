#include "hdf5/disjoint_ranges.h"

#include <iterator>

#include "base/errors.h"

namespace trellis {

std::optional<NamedRange> DisjointRanges::add(const NamedRange& range) {
  require(range.begin < range.end, "a range of bytes is empty");
  const auto after = ranges_.lower_bound(range.begin);
  if (after != ranges_.end() && after->second.begin < range.end) return after->second;
  if (after != ranges_.begin()) {
    if (const NamedRange& before = std::prev(after)->second; before.end > range.begin) return before;
  }
  ranges_.emplace_hint(after, range.begin, range);
  return std::nullopt;
}

}  // namespace trellis
