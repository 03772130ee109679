// Initial values: kernels and their bias normal with a small deviation, embedding uniform, decoder bias and cluster rows
// zero, the layers behind the trellis (experts' prior and latent, a classifier's linear one) uniform in +- 1 / sqrt(inputs),
// as LibTorch's linear layers are; under weight normalisation g = ||v||, so that the effective kernel begins as v. Every value is a function of the
// seed, the tensor's name and the element's place in its published shape, never of how many processes there are;
// a rank draws its own rows only.
#pragma once

#include "model/parameters.h"

namespace trellis {

struct InitialValues {
  double kernel_deviation = 0.01;  // standard deviation of kernels and bias
  double embedding_range = 0.1;    // embedding uniform in (-range, range)
};

void initialize(Parameters& weights, const InitialValues& values, std::uint64_t seed);

}  // namespace trellis
