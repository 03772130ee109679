// What turns the network's outputs into probabilities of words, and the loss of targets under them: one softmax (full or
// adaptive, tied_softmax.h) or a mixture (mixture_of_softmaxes.h), each with the embedding as its decoder. Forward and
// backward in one pass over tiles of rows, so that logits live from the GEMM that makes them to the GEMMs that use their
// gradient, and nothing of size rows x vocabulary ever exists.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "model/parameters.h"

namespace trellis {

// One output of the network over some rows: final and auxiliary outputs share targets but not weight in the loss.
struct LossRows {
  at::Tensor hidden;       // [rows, O]: outputs after dropout
  at::Tensor d_hidden;     // [rows, O]: overwritten with the gradient; undefined: no gradient is wanted
  double scale = 0;        // the loss is scale * sum over rows of -log p
  at::Tensor latent_mask;  // mixture: dropout of the latent vectors, [lanes, K E] with row % lanes; undefined: none
};

class OutputLayer {
 public:
  virtual ~OutputLayer() = default;

  // -log p(target), nats, of each row of each block: [blocks, rows] float64 on the CPU.
  // targets: [rows] int64 on the CPU, the same for all blocks, each in [0, V).
  // With gradients: *overwrites* those of this layer's parameters, the embedding included, and d_hidden.
  virtual at::Tensor run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets,
                         Parameters* gradients) = 0;

  // log p of every word, [rows, V], for hidden [rows, O]: for sampling, a few rows at a time.
  virtual at::Tensor log_probabilities(const Parameters& weights, const at::Tensor& hidden) = 0;
};

// The layer that `shape` asks for. rows: the most that a block will have; blocks: the most that come at once.
std::unique_ptr<OutputLayer> make_output_layer(const TrellisShape& shape, std::int64_t rows, std::int64_t blocks, at::TensorOptions options);

// Throws InternalError unless every target, int64 on the CPU, lies in [0, vocabulary).
void expect_within_vocabulary(const at::Tensor& targets, std::int64_t vocabulary);

// Cross entropy of rows of logits in the logits' own memory (kernels/cross_entropy.h). logits [rows, classes] contiguous,
// targets [rows] int64, loss [rows] float64 (nats, overwritten); scale [rows] or undefined: no gradient. All on one device.
void cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& loss, const at::Tensor& scale);

}  // namespace trellis
