// The network written plainly over LibTorch's autograd, from the paper's equations: slow, batch-major, every shift a
// concatenation. It says what the right numbers are; the product's code is held against it.
//
// Bai, Kolter and Koltun, "Trellis networks for sequence modeling", ICLR 2019, eqs. 1-2 with LSTM gates and eq. 5 as a mask
// on a whole kernel; adaptive softmax of Grave et al. 2017; mixture of softmaxes of Yang et al. 2018; penalties of Merity et
// al. 2017. Within this file tensors are [batch, channels, time] and gates in published order; at its door they are the
// product's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/dropout.h"
#include "model/history.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "model/sequence_classifier.h"
#include "model/window_tokens.h"

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

// By name, in published shape.
using Tensors = std::map<std::string, at::Tensor>;
// The parameters as leaves of autograd, and what came back into them (zeros where nothing did).
Tensors leaves_of(const Parameters& weights);
Tensors gradients_of(const Tensors& leaves);

// One window of the language model, losses and penalties as means (see objective.h). `masks` give every mask as a tensor
// (rates and streams are not looked at). Gradients are of the objective.
struct ModelAnswer {
  double loss = 0, auxiliary = 0, activation = 0, slowness = 0;
  History history;
  Tensors gradients;
};

ModelAnswer run_model(const TrellisShape& shape, const Objective& objective, const Parameters& weights, const WindowTokens& window,
                      std::int64_t lanes, const DropoutMasks& masks, const History& history);

// One batch of the sequence classifier: mean loss and its gradient.
struct ClassifierAnswer {
  double loss = 0;
  at::Tensor log_probabilities;  // [lanes, O]
  Tensors gradients;
};

ClassifierAnswer run_classifier(const TrellisShape& shape, const Parameters& weights, const LabelledSequences& batch,
                                const DropoutMasks& masks);

// log p(word) of every word, [rows, V], of hidden [rows, O]. latent_mask: [rows, K E] or undefined.
at::Tensor log_probabilities(const TrellisShape& shape, const at::Tensor& hidden, const Tensors& parameters,
                             const at::Tensor& latent_mask = {});

}  // namespace trellis::autograd_oracle
