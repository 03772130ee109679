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
//   large_cluster     the same where that is less than kGoodTileRows rows: each tile reads all of the cluster's words and their
//                     gradient, so with few rows at a time that is what takes the time
//   shared_cluster    the same where words lie with several ranks, of all tiles that are alive at a time: there is little to spare
//                     beside what ranks exchange, and a rank's words are fewer
//   segment           rows that a vocabulary group gathers at once. More mean larger products for the tail clusters, whose rows
//                     are few of them
//   aligned           not bytes but elements, of which a row of a softmax's logits takes a multiple, and of which products take
//                     multiples of columns before a rest: what a GPU's fast products of float32 ask for
struct LossLimits {
  std::int64_t softmax, large_cluster, shared_cluster, mixture, segment, aligned;
  std::int64_t row_length(std::int64_t classes) const { return (classes + aligned - 1) / aligned * aligned; }
};
inline constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
inline constexpr LossLimits kCpuLoss{6 * kMebibyte, 112 * kMebibyte, 32 * kMebibyte, 16 * kMebibyte, 4 * kMebibyte, 1};
inline constexpr LossLimits kGpuLoss{256 * kMebibyte, 256 * kMebibyte, 512 * kMebibyte, 512 * kMebibyte, 64 * kMebibyte, 8};
inline constexpr std::int64_t kGoodTileRows = 160, kFewestTileRows = 16;

// Tiles of logits that are alive at a time: numbers of one travel while the next is computed.
constexpr int tiles_alive(int ranks) { return ranks > 1 ? 2 : 1; }

// The most rows of a softmax's tile, for so many classes of a cluster on the rank that has most, and so many ranks.
constexpr std::int64_t softmax_tile_rows(std::int64_t classes, const LossLimits& limits, std::int64_t element_bytes, int ranks) {
  const std::int64_t row = classes * element_bytes, rows = limits.softmax / row;
  if (rows >= kGoodTileRows) return rows;
  const std::int64_t most = ranks > 1 ? limits.shared_cluster / tiles_alive(ranks) / row : limits.large_cluster / row;
  return most > kGoodTileRows ? kGoodTileRows : most < kFewestTileRows ? kFewestTileRows : most;
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
