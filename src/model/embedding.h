// The input side: tokens to embedded rows, with word and input dropout; and their gradient into the embedding's.
#pragma once

#include <ATen/ATen.h>

#include "model/dropout.h"

namespace trellis {

// values [rows, E] = embedding [V, E] at tokens [rows] int64 in host memory, masked. Rows are time-major, row = step * lanes + lane.
void embed(const at::Tensor& embedding, const at::Tensor& tokens, const DropoutMasks& masks, std::int64_t lanes, at::Tensor values);

// Adds the gradient of `embed` to d_embedding [V, E], rows in order.
void embed_backward(const at::Tensor& d_values, const at::Tensor& tokens, const DropoutMasks& masks, std::int64_t lanes,
                    at::Tensor d_embedding);

}  // namespace trellis
