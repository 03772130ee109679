// The output side of the language model: full softmax, or adaptive softmax (Grave et al. 2017), both with the embedding
// as their decoder. Forward and backward in one pass over tiles of rows, so that logits live from the GEMM that makes
// them to the GEMMs that use their gradient, and nothing of size rows x vocabulary ever exists.
//
// Adaptive: words below cutoffs[0] form the head, every later span a tail cluster; cluster n adds one entry to the head
// (row n of cluster_weight). log p(word) = log p_head(its cluster's entry) + log p_cluster(word).
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "model/parameters.h"
#include "plan/shard_range.h"

namespace trellis {

// One output of the network over some rows: final and auxiliary outputs share targets but not weight in the loss.
struct LossRows {
  at::Tensor hidden;    // [rows, O]: outputs after dropout
  at::Tensor d_hidden;  // [rows, O]: overwritten with the gradient; undefined: no gradient is wanted
  double scale = 0;     // the loss is scale * sum over rows of -log p
};

class TiedSoftmax {
 public:
  // rows: the most that a block will have; blocks: the most that come at once.
  TiedSoftmax(const TrellisShape& shape, std::int64_t rows, std::int64_t blocks, at::TensorOptions options);

  // -log p(target), nats, of each row of each block: [blocks, rows] float64 on the CPU.
  // targets: [rows] int64 on the CPU, the same for all blocks, each in [0, V).
  // With gradients: *overwrites* embedding, decoder_bias, cluster_weight and cluster_bias of `gradients`, and d_hidden.
  at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets, Parameters* gradients);

 private:
  // A span of the vocabulary with, for the head, the clusters' entries behind it.
  struct Span {
    Range words;
    std::int64_t entries = 0;
  };
  struct Tile;

  void run_tile(const Parameters& weights, const Span& span, const Tile& tile, Parameters* gradients);
  std::int64_t most_tile_rows(std::int64_t classes) const;
  std::int64_t tile_rows(std::int64_t rows, std::int64_t classes) const;
  void clear_span(const Span& span, Parameters& gradients) const;

  TrellisShape shape_;
  at::TensorOptions options_;
  // allocated once, at their largest
  at::Tensor logits_;                 // of one tile
  at::Tensor gathered_, d_gathered_;  // rows of a tail cluster
};

}  // namespace trellis
