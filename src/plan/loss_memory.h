// What the loss works with at a time, and what that takes: tiles of logits, rows of a vocabulary group (segments).
// Integers only.
#pragma once

#include <cstdint>

#include "plan/trellis_shape.h"
#include "plan/vocabulary_stripes.h"

namespace trellis {

// Bytes that the loss may use for what it works on at a time.
//   softmax, mixture  the logits of one tile. Larger tiles mean fewer passes over the embedding's gradient; a CPU wants them in
//                     its cache, a GPU large products. A mixture has as many logits a row as it has experts
//   segment           rows that a vocabulary group gathers at once. More mean larger products for the tail clusters, whose rows
//                     are few of them
struct LossLimits {
  std::int64_t softmax, mixture, segment;
};
inline constexpr LossLimits kCpuLoss{std::int64_t{6} << 20, std::int64_t{16} << 20, std::int64_t{8} << 20};
inline constexpr LossLimits kGpuLoss{std::int64_t{256} << 20, std::int64_t{512} << 20, std::int64_t{64} << 20};

// The most rows of a softmax's tile, for so many classes of a cluster on the rank that has most.
constexpr std::int64_t softmax_tile_rows(std::int64_t classes, const LossLimits& limits, std::int64_t element_bytes) {
  const std::int64_t rows = limits.softmax / (classes * element_bytes);
  return rows < 16 ? 16 : rows;
}
// Rows of a mixture's tile, for so many words on the rank that has most, where the layer is given `rows` at most.
std::int64_t mixture_tile_rows(std::int64_t experts, std::int64_t words, std::int64_t rows, const LossLimits& limits,
                               std::int64_t element_bytes);
// The most rows that each rank of a group gives to a segment.
std::int64_t most_segment_rows(std::int64_t largest_share, int ranks, const LossLimits& limits, std::int64_t row_bytes);

// How a group cuts its shares: segments of one size, so that the last is not a small rest.
struct Segments {
  std::int64_t count = 0, rows = 0;  // rows of each rank in each of them
};
constexpr Segments segments_of(std::int64_t largest_share, std::int64_t most_rows) {
  const std::int64_t count = (largest_share + most_rows - 1) / most_rows;
  return {count, count == 0 ? 0 : (largest_share + count - 1) / count};
}

struct LossMemory {
  std::int64_t tiles = 0;     // bytes: logits and what belongs to them
  std::int64_t gathered = 0;  // bytes: rows of a tail cluster and their gradient
  std::int64_t total() const { return tiles + gathered; }
};
// rows: the most that the layer is given at once. Of the rank that has most words.
LossMemory loss_memory(const TrellisShape& shape, const VocabularyStripes& stripes, std::int64_t rows, const LossLimits& limits,
                       std::int64_t element_bytes);

}  // namespace trellis
