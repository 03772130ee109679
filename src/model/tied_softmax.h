// One softmax over the vocabulary, full or adaptive (Grave et al. 2017), with the embedding as its decoder.
//
// Adaptive: words below cutoffs[0] form the head, every later span a tail cluster; cluster n adds one entry to the head
// (row n of cluster_weight). log p(word) = log p_head(its cluster's entry) + log p_cluster(word).
//
// Of a vocabulary that lies with several ranks every rank has a stripe of the head and of every cluster; the head's entries
// are columns of the rank at place 0.
#pragma once

#include <vector>

#include "model/output_layer.h"
#include "model/striped_cross_entropy.h"
#include "plan/loss_memory.h"

namespace trellis {

class TiedSoftmax : public OutputLayer {
 public:
  // rows: the most that all blocks of a run have together.
  TiedSoftmax(const TrellisShape& shape, std::int64_t rows, const VocabularyShare& share, at::TensorOptions options);

  at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, Parameters* gradients, Accumulate accumulate) override;
  at::Tensor log_probabilities(const Parameters& weights, const at::Tensor& hidden) override;

 private:
  // The columns of the head (cluster 0) or of a tail cluster that are this rank's.
  struct Span {
    std::int64_t cluster = 0;
    Range words;               // of the vocabulary
    Range rows;                // of the embedding's memory
    std::int64_t entries = 0;  // of tail clusters, behind the words
    std::int64_t classes() const { return words.size() + entries; }
  };
  Span span(std::int64_t cluster) const;
  std::int64_t tails() const { return static_cast<std::int64_t>(shape_.cutoffs.size()); }
  // Of the rank that has most: what tiles are cut by, alike on every rank.
  std::int64_t most_classes(std::int64_t cluster) const;

  struct Tile;
  // What a tile keeps from its logits to their gradient; allocated once, at its largest.
  struct Slot {
    at::Tensor logits;
    StripedCrossEntropy entropy;
  };
  void run_tiles(const Parameters& weights, const Span& span, const std::vector<Tile>& tiles, Parameters* gradients, Accumulate accumulate);
  void begin_tile(const Parameters& weights, const Span& span, const Tile& tile, Slot& slot, bool with_gradient);
  void end_tile(const Parameters& weights, const Span& span, const Tile& tile, Slot& slot, Parameters* gradients, Accumulate accumulate);
  // Cuts rows into tiles of one size.
  void add_tiles(std::vector<Tile>& tiles, const Tile& rows, std::int64_t most_rows) const;
  std::int64_t most_tile_rows(std::int64_t cluster) const;
  struct Part;
  std::vector<Part> parts(const Span& span) const;
  // A slot's memory as the logits of a span's classes: [rows, classes], rows at a distance that the device's products like.
  at::Tensor logits_in(const at::Tensor& memory, std::int64_t rows, const Span& span) const;
  // logits [rows, classes of the span] of hidden [rows, O]
  void compute_logits(const Parameters& weights, const Span& span, const at::Tensor& hidden, const at::Tensor& logits) const;
  void clear_span(const Span& span, Parameters& gradients) const;
  // Where each row's target stands in the head, or -1; and the rows of each tail cluster.
  at::Tensor head_targets(const at::Tensor& targets, std::vector<std::vector<std::int64_t>>& rows_of_tail) const;
  void run_tail(std::int64_t tail, const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& losses,
                const std::vector<std::vector<std::vector<std::int64_t>>>& rows_of_tail, Parameters* gradients, Accumulate accumulate);

  TrellisShape shape_;
  VocabularyShare share_;
  at::TensorOptions options_;
  const LossLimits& limits_;
  std::vector<Slot> slots_;           // two where numbers travel while the next tile is computed
  at::Tensor gathered_, d_gathered_;  // rows of a tail cluster, allocated once
};

}  // namespace trellis
