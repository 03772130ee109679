// Deals the rows of many tensors to ranks so that every rank gets nearly the same number of bytes. Integers only; no
// MPI. Used for: which rows of which tensor each rank writes into a checkpoint.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/shard_range.h"

namespace trellis {

// A tensor as its rows along dimension 0. Both >= 0; a row of 0 bytes is dealt like one of 1 byte.
struct RowBlock {
  std::int64_t rows = 0, row_bytes = 0;
  bool operator==(const RowBlock&) const = default;
};

// One range of rows a tensor, in the order given, for `rank` of `ranks`; most may be empty. Over all ranks the ranges
// of a tensor tile [0, rows) in rank order. All tensors' bytes are laid end to end and cut into `ranks` equal parts,
// each cut then moved to the nearest row: a rank's bytes differ from total / ranks by at most one largest row.
inline std::vector<Range> partition_rows(std::span<const RowBlock> tensors, int ranks, int rank) {
  __extension__ using Wide = unsigned __int128;
  Wide total = 0;
  const auto bytes_of_row = [](const RowBlock& tensor) {
    return static_cast<Wide>(std::max<std::int64_t>(tensor.row_bytes, 1));
  };
  for (const RowBlock& tensor : tensors) total += static_cast<Wide>(tensor.rows) * bytes_of_row(tensor);
  // cut k lies before rank k: the same value whichever of its two neighbours asks
  const Wide first_cut = total * static_cast<unsigned>(rank) / static_cast<unsigned>(ranks);
  const Wide last_cut = total * static_cast<unsigned>(rank + 1) / static_cast<unsigned>(ranks);
  std::vector<Range> ranges;
  ranges.reserve(tensors.size());
  Wide start = 0;
  for (const RowBlock& tensor : tensors) {
    const Wide row = bytes_of_row(tensor), size = static_cast<Wide>(tensor.rows) * row;
    const auto row_at = [&](Wide cut) -> std::int64_t {
      if (cut <= start) return 0;
      if (cut >= start + size) return tensor.rows;
      return static_cast<std::int64_t>((cut - start + row / 2) / row);
    };
    ranges.push_back({row_at(first_cut), row_at(last_cut)});
    start += size;
  }
  return ranges;
}

}  // namespace trellis
