// One softmax over the vocabulary, full or adaptive (Grave et al. 2017), with the embedding as its decoder.
//
// Adaptive: words below cutoffs[0] form the head, every later span a tail cluster; cluster n adds one entry to the head
// (row n of cluster_weight). log p(word) = log p_head(its cluster's entry) + log p_cluster(word).
#pragma once

#include <vector>

#include "model/output_layer.h"
#include "plan/shard_range.h"

namespace trellis {

class TiedSoftmax : public OutputLayer {
 public:
  // rows: the most that a block will have; blocks: the most that come at once.
  TiedSoftmax(const TrellisShape& shape, std::int64_t rows, std::int64_t blocks, at::TensorOptions options);

  at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets, Parameters* gradients) override;
  at::Tensor log_probabilities(const Parameters& weights, const at::Tensor& hidden) override;

 private:
  // A span of the vocabulary with, for the head, the clusters' entries behind it.
  struct Span {
    Range words;
    std::int64_t entries = 0;
  };
  Span head() const;
  Span tail(std::size_t cluster) const;
  struct Tile;

  void run_tile(const Parameters& weights, const Span& span, const Tile& tile, Parameters* gradients);
  std::int64_t most_tile_rows(std::int64_t classes) const;
  std::int64_t tile_rows(std::int64_t rows, std::int64_t classes) const;
  struct Part;
  static std::vector<Part> parts(const Span& span);
  // logits [rows, classes of the span] of hidden [rows, O]
  static void compute_logits(const Parameters& weights, const Span& span, const at::Tensor& hidden, const at::Tensor& logits);
  void clear_span(const Span& span, Parameters& gradients) const;

  TrellisShape shape_;
  at::TensorOptions options_;
  // allocated once, at their largest
  at::Tensor logits_;                 // of one tile
  at::Tensor gathered_, d_gathered_;  // rows of a tail cluster
};

}  // namespace trellis
