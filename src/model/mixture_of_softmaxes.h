// Mixture of softmaxes (Yang, Dai, Salakhutdinov and Cohen 2018) with the embedding as the decoder of all its experts:
//
//   prior pi = softmax(Wp h + bp) [K],   latent z_k = tanh(mask * (Wl h + bl))_k [E]
//   p(word) = sum over experts k of  pi_k softmax(embedding z_k + decoder_bias)(word)
//
// Rows are worked on in tiles: the K x V logits of a row live from the GEMM that makes them to the two GEMMs that use their
// gradient. An expert's share in it, the posterior w_k = pi_k p_k(target) / p(target), is known only when all experts of the
// row are; it scales the small operands of those GEMMs, so that no further pass over the logits is needed.
//
// Where words lie with several ranks, each has the latent vectors of all rows and its own words' logits. What follows from
// the logits' gradient is linear in it, so each rank goes on with its part; what follows from the prior alone is added by the
// rank at place 0.
#pragma once

#include <vector>

#include "model/output_layer.h"
#include "model/striped_cross_entropy.h"

namespace trellis {

class MixtureOfSoftmaxes : public OutputLayer {
 public:
  // rows: the most that all blocks of a run have together.
  MixtureOfSoftmaxes(const TrellisShape& shape, std::int64_t rows, const VocabularyShare& share, at::TensorOptions options);

  at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, Parameters* gradients, Accumulate accumulate) override;
  at::Tensor log_probabilities(const Parameters& weights, const at::Tensor& hidden) override;

 private:
  struct Tile;
  // What a tile keeps from its logits to their gradient; its memory is allocated once, at its largest.
  struct Slot {
    at::Tensor logits_memory;           // [tile rows * K, own words]
    at::Tensor latent_memory;           // [tile rows, K E]
    StripedCrossEntropy entropy;
    at::Tensor logits, latent, mask, log_prior;  // of the tile under way: [rows K, own words], 2 x [rows, K E], [rows, K] float64
  };
  void begin_tile(const Parameters& weights, const Tile& tile, Slot& slot, bool with_gradient);
  void end_tile(const Parameters& weights, const Tile& tile, Slot& slot, Parameters* gradients);
  // Into latent [rows, K E]; gives log pi [rows, K] float64.
  at::Tensor experts(const Parameters& weights, const at::Tensor& hidden, const at::Tensor& mask, at::Tensor latent) const;

  std::int64_t outputs_, experts_, embedding_, vocabulary_, tile_rows_;
  VocabularyShare share_;
  Range words_;  // of this rank
  at::TensorOptions options_;
  std::vector<Slot> slots_;  // two where numbers travel while the next tile is computed
  at::Tensor d_latent_;      // [tile rows, K E]
};

}  // namespace trellis
