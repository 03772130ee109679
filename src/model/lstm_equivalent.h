// The trellis network that equals a given stacked LSTM (Bai, Kolter and Koltun 2019, section 5.1 and Theorem 1).
//
// Layer l of width d is channels [l d, (l + 1) d) of the hidden state. Tap k - 2 of W2 (one step back) takes a layer from
// itself, tap k - 1 (this step) from the layer below, and tap k - 1 of W1 gives the input to the lowest layer; everything
// else is zero. This is a mixed group convolution with a group for each layer; a dense kernel with those zeros does as well.
//
// A network of M + L - 1 levels without history equals, at every step, a fresh LSTM of L layers on its last M inputs,
// provided that no layer but the lowest has a bias. With any bias and history it equals the LSTM itself on windows of at
// most levels - L + 1 steps, each of which hands its last step on to the next.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "model/parameters.h"

namespace trellis {

// As PyTorch's nn.LSTM has it: rows of the gates in the order input, forget, candidate, output.
struct LstmLayer {
  at::Tensor input_weight;   // weight_ih [4d, p], [4d, d] above the lowest layer
  at::Tensor hidden_weight;  // weight_hh [4d, d]
  at::Tensor bias;           // bias_ih + bias_hh [4d]; undefined: none
};

struct LstmSize {
  std::int64_t layers = 1, width = 1, input = 1;  // L, d, p
};

// Throws ConfigError that names every setting which is not as it must be, with the value it must have, for the network to
// equal such an LSTM on windows of `window` steps.
void expect_lstm_shape(const TrellisShape& shape, const LstmSize& size, std::int64_t window);

// Fills kernels and bias of `weights`, of a network of that shape.
void assign_lstm(const std::vector<LstmLayer>& layers, Parameters& weights);

}  // namespace trellis
