// Mixture of softmaxes (Yang, Dai, Salakhutdinov and Cohen 2018) with the embedding as the decoder of all its experts:
//
//   prior pi = softmax(Wp h + bp) [K],   latent z_k = tanh(mask * (Wl h + bl))_k [E]
//   p(word) = sum over experts k of  pi_k softmax(embedding z_k + decoder_bias)(word)
//
// Rows are worked on in tiles: the K x V logits of a row live from the GEMM that makes them to the two GEMMs that use their
// gradient. An expert's share in it, the posterior w_k = pi_k p_k(target) / p(target), is known only when all experts of the
// row are; it scales the small operands of those GEMMs, so that no further pass over the logits is needed.
#pragma once

#include "model/output_layer.h"

namespace trellis {

class MixtureOfSoftmaxes : public OutputLayer {
 public:
  // rows: the most that a block will have.
  MixtureOfSoftmaxes(const TrellisShape& shape, std::int64_t rows, at::TensorOptions options);

  at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets, Parameters* gradients) override;
  at::Tensor log_probabilities(const Parameters& weights, const at::Tensor& hidden) override;

 private:
  struct Tile;
  void run_tile(const Parameters& weights, const Tile& tile, Parameters* gradients);
  // Mask rows of the tile's rows; undefined without mask.
  at::Tensor mask_rows(const at::Tensor& mask, std::int64_t first_row, std::int64_t rows) const;
  // latent [rows, K E], and log pi [rows, K] float64.
  struct Experts {
    at::Tensor latent, log_prior;
  };
  Experts experts(const Parameters& weights, const at::Tensor& hidden, const at::Tensor& mask);

  std::int64_t experts_, embedding_, vocabulary_, tile_rows_;
  at::TensorOptions options_;
  // of one tile, allocated once
  at::Tensor logits_;               // [tile rows * K, V]
  at::Tensor latent_, d_latent_;    // [tile rows, K E]
};

}  // namespace trellis
