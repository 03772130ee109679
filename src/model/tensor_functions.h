// exp, log and tanh of tensors, and what softmaxes are made of, by the kernels' arithmetic: on a CPU the bits of LibTorch's own change with
// the C library. On a GPU they are LibTorch's. Tensors are float32 or float64.
#pragma once

#include <ATen/ATen.h>

namespace trellis {

// In place and returned; contiguous.
at::Tensor exponential_(const at::Tensor& values);
at::Tensor logarithm_(const at::Tensor& values);
at::Tensor hyperbolic_tangent_(const at::Tensor& values);

// Of rows [n, classes], classes > 0: x minus the logarithm of the row's sum of exponentials.
at::Tensor log_softmax(const at::Tensor& rows);

// log of the sum of exponentials over dimension `dim`, which stays with size 1.
at::Tensor log_sum_exp(const at::Tensor& values, std::int64_t dim);

}  // namespace trellis
