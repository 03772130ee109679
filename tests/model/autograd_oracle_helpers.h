// The network written plainly over LibTorch's autograd, from the paper's equations: slow, batch-major, every shift a
// concatenation. It says what the right numbers are; the product's code is held against it.
//
// Bai, Kolter and Koltun, "Trellis networks for sequence modeling", ICLR 2019, eqs. 1-2 with LSTM gates; adaptive
// softmax of Grave et al. 2017. Within this file tensors are [batch, channels, time]; at its door they are the product's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/language_model.h"

namespace trellis::autograd_oracle {

// What the stack of all levels does with one window: inputs, and the gradients that come back into it.
struct StackCase {
  TrellisShape shape;
  std::int64_t lanes = 1, steps = 1;
  at::Tensor input_kernel, hidden_kernel, bias;  // effective: [4H, k, E], [4H, k, H], [4H]
  at::Tensor embedded;                           // [steps * lanes, E]
  History history;
  at::Tensor hidden_mask;                // [lanes, H] or undefined
  std::vector<at::Tensor> output_masks;  // by number, or empty
  at::Tensor d_result_hidden, d_result_cell;  // [steps * lanes, H], or undefined
  std::vector<at::Tensor> d_outputs;          // by number, [steps * lanes, O]
};

struct StackAnswer {
  at::Tensor result_hidden, result_cell;  // [steps * lanes, H]
  std::vector<at::Tensor> outputs;        // by number, [steps * lanes, O]
  at::Tensor d_input_kernel, d_hidden_kernel, d_bias, d_embedded;
  History d_history;
};

StackAnswer run_stack(const StackCase& stack);

// One window of the language model, losses as means over the scored tokens. `masks` give every mask as a tensor
// (rates and streams are not looked at). Gradients are of loss + auxiliary_weight * auxiliary, by parameter name, in
// published shape.
struct ModelAnswer {
  double loss = 0, auxiliary = 0;
  History history;
  std::map<std::string, at::Tensor> gradients;
};

ModelAnswer run_model(const TrellisShape& shape, double auxiliary_weight, const Parameters& weights, const WindowTokens& window,
                      std::int64_t lanes, const DropoutMasks& masks, const History& history);

// log p(word) of every word, [rows, V], of hidden [rows, O].
at::Tensor log_probabilities(const TrellisShape& shape, const at::Tensor& hidden, const at::Tensor& embedding, const at::Tensor& decoder_bias,
                             const at::Tensor& cluster_weight, const at::Tensor& cluster_bias);

}  // namespace trellis::autograd_oracle
