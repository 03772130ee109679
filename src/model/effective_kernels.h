// The kernels that multiply in a window: raw parameters after weight dropout and weight normalisation, computed once a
// window, and their gradient turned back into that of the raw parameters, once a step.
#pragma once

#include <optional>

#include "model/dropout.h"
#include "model/parameters.h"

namespace trellis {

// A kernel's tap j is the matrix kernel.select(1, j), [4H, channels].
struct ConvolutionKernels {
  at::Tensor input;   // W1 [4H, k, E]
  at::Tensor hidden;  // W2 [4H, k, H]
  at::Tensor bias;    // [4H]
};

class EffectiveKernels {
 public:
  // activations: the type of kernels that multiply (the bias keeps the weights' type); undefined: as the weights.
  explicit EffectiveKernels(std::optional<at::ScalarType> activations = std::nullopt) : activations_(activations) {}

  // The kernels of this window. Where neither dropout, normalisation nor rounding changes them they are the parameters
  // themselves.
  const ConvolutionKernels& compute(const Parameters& weights, const DropoutMasks& masks);
  const ConvolutionKernels& kernels() const { return kernels_; }

  // The places in a gradient buffer that take the effective kernels' gradient.
  static ConvolutionKernels gradients_of(const Parameters& gradients);
  // Turns, in place, the effective kernels' gradient into that of the raw parameters and gains.
  static void backward(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients);

 private:
  std::optional<at::ScalarType> activations_;
  at::Tensor input_, hidden_;  // memory for effective kernels, allocated when first needed
  ConvolutionKernels kernels_;
};

}  // namespace trellis
