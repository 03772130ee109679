// What turns the network's outputs into probabilities of words, and the loss of targets under them: one softmax (full or
// adaptive, tied_softmax.h) or a mixture (mixture_of_softmaxes.h), each with the embedding as its decoder. Forward and
// backward in one pass over tiles of rows, so that logits live from the GEMM that makes them to the GEMMs that use their
// gradient, and nothing of size rows x vocabulary ever exists.
//
// The vocabulary may lie with several ranks (model/vocabulary_share.h): every rank then gives the layer the same rows, which
// works on this rank's words and exchanges three numbers a row with the others. What it adds to d_hidden and to gradients is
// this rank's part; the ranks' parts sum up to the whole.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "model/launch.h"
#include "model/parameters.h"
#include "model/vocabulary_share.h"

namespace trellis {

// Some rows of the network's outputs and their targets.
struct LossRows {
  at::Tensor hidden;      // [rows, O]: outputs after dropout
  at::Tensor d_hidden{};  // [rows, O]: overwritten with the gradient; undefined: no gradient is wanted
  at::Tensor targets;     // [rows] int64 on the CPU, each in [0, V)
  at::Tensor scale{};     // [rows], in the weights' type: the loss is the sum over rows of -scale log p; undefined without gradient
  // Mixture: dropout of the latent vectors. Row r has row latent_rows[r] (int64, on the device) of latent_mask [any, K E].
  at::Tensor latent_mask{}, latent_rows{};  // undefined: none
};

class OutputLayer {
 public:
  virtual ~OutputLayer() = default;

  // -log p(target), nats, of the rows of all blocks, one after another: [all rows] float64 where the weights are.
  // With gradients: overwrites those of this layer's parameters, the embedding included, or adds to them; d_hidden is
  // overwritten either way.
  virtual at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, Parameters* gradients, Accumulate accumulate) = 0;

  // log p of every word, [rows, V], for hidden [rows, O]: for sampling, a few rows at a time. All words must be here.
  virtual at::Tensor log_probabilities(const Parameters& weights, const at::Tensor& hidden) = 0;
};

// The layer that `shape` asks for. rows: the most that all blocks of a run have together.
std::unique_ptr<OutputLayer> make_output_layer(const TrellisShape& shape, std::int64_t rows, const VocabularyShare& share, at::TensorOptions options);

// Throws InternalError unless the blocks' sizes fit each other and every target lies in [0, vocabulary). All their rows.
std::int64_t expect_loss_rows(const std::vector<LossRows>& blocks, std::int64_t channels, std::int64_t vocabulary, bool with_gradient);

}  // namespace trellis
