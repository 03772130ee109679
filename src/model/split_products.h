// Products of float32 factors by a CPU's bfloat16 matrix units, with nearly the numbers of float32: each factor is split into two
// bfloat16 numbers, and one product of three times the depth, added up in float32, holds high*high + high*low + low*high (Henry,
// Tang and Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations").
// A term is wrong by about 2^-16 of itself, where TF32 is wrong by 2^-11. Bits do not depend on the number of threads.
#pragma once

#include <ATen/ATen.h>

#include "model/launch.h"

namespace trellis {

// Whether this processor and this LibTorch multiply so: x86-64 with AMX and the system's leave to use it, and MKL inside LibTorch.
bool has_split_products();

// From now on multiply() does so, in this process, wherever it can. Off at first. Throws InternalError without has_split_products().
void use_split_products(bool on);
bool split_products_in_use();

// float32 matrices of a CPU, deep enough to gain, `a` with whole rows and `b` the transposed of one with whole rows, as weights lie.
bool can_split(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b);

// out = a b, or out += a b: out [m, n], a [m, k], b [k, n], as can_split() wants them.
void multiply_split(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, Accumulate accumulate);

}  // namespace trellis
