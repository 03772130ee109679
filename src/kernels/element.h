// Element types of activations, and the type that their kernels compute in: bfloat16 is stored, float32 computed with.
#pragma once

#include <cstdint>

namespace trellis {

// The upper half of a float32, as LibTorch's and CUDA's bfloat16 lie in memory.
struct BFloat16 {
  std::uint16_t bits = 0;
};

template <class A>
struct ComputeOf {
  using Type = A;
};
template <>
struct ComputeOf<BFloat16> {
  using Type = float;
};

// What kernels on activations of type A compute in, and the type of everything that is not an activation: weights, masks,
// cells and sums.
template <class A>
using Compute = typename ComputeOf<A>::Type;

}  // namespace trellis
