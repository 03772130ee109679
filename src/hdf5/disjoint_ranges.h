// Ranges of bytes that must not share any: what a file's structures take of it, each with a name for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace trellis {

struct NamedRange {
  std::uint64_t begin = 0, end = 0;  // [begin, end), not empty
  const char* name = "";             // a literal
};

class DisjointRanges {
 public:
  // Adds `range`; if it overlaps one that is there, adds nothing and returns that one. O(log n).
  std::optional<NamedRange> add(const NamedRange& range);
  std::size_t size() const { return ranges_.size(); }

 private:
  std::map<std::uint64_t, NamedRange> ranges_;  // by begin
};

}  // namespace trellis
