#include "plan/loss_memory.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr std::int64_t kNumberBytes = 3 * 8;  // a row's statistics (kernels/cross_entropy.h)

}  // namespace

std::int64_t mixture_tile_rows(std::int64_t experts, std::int64_t words, std::int64_t rows, const LossLimits& limits,
                               std::int64_t element_bytes) {
  return std::clamp<std::int64_t>(limits.mixture / (experts * words * element_bytes), 1, std::max<std::int64_t>(1, rows));
}

std::int64_t most_segment_rows(std::int64_t largest_share, int ranks, const LossLimits& limits, std::int64_t row_bytes) {
  return std::clamp<std::int64_t>(limits.segment / row_bytes / ranks, 1, std::max<std::int64_t>(1, largest_share));
}

LossMemory loss_memory(const TrellisShape& shape, const VocabularyStripes& stripes, std::int64_t rows, const LossLimits& limits,
                       std::int64_t element_bytes) {
  const bool striped = stripes.ranks() > 1;
  const std::int64_t slots = tiles_alive(stripes.ranks());
  LossMemory memory;
  std::int64_t logits = 0, tile_rows = 0;
  if (const std::int64_t K = shape.experts; K > 0) {
    const std::int64_t words = stripes.most_rows();
    const std::int64_t of_tile = mixture_tile_rows(K, words, rows, limits, element_bytes);
    tile_rows = of_tile * K;
    logits = tile_rows * words;
    memory.tiles += (slots + 1) * tile_rows * shape.embedding * element_bytes;  // latent vectors, and their gradient
  } else {
    for (std::int64_t cluster = 0; cluster < stripes.clusters(); ++cluster) {
      const std::int64_t classes = stripes.stripe(cluster, 0).size() + (cluster == 0 ? stripes.clusters() - 1 : 0);
      const std::int64_t of_cluster = std::min(rows, softmax_tile_rows(classes, limits, element_bytes, stripes.ranks()));
      logits = std::max(logits, of_cluster * limits.row_length(classes));
      tile_rows = std::max(tile_rows, of_cluster);
    }
    if (stripes.clusters() > 1) memory.gathered = 2 * rows * shape.outputs * element_bytes;
  }
  memory.tiles += slots * logits * element_bytes;
  if (striped) memory.tiles += slots * tile_rows * kNumberBytes * (1 + stripes.ranks());
  return memory;
}

}  // namespace trellis
