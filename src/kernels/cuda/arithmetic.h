// Numbers on a GPU: bfloat16 to and from float32, and exp, tanh and the logistic function. In float32 they are a few
// instructions around the hardware's 2^x, with errors of a few units in the last place; in float64 the library's.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#endif

#include "base/host_device.h"
#include "kernels/element.h"

namespace trellis::cuda {

TRELLIS_HOST_DEVICE inline float widened(float value) { return value; }
TRELLIS_HOST_DEVICE inline double widened(double value) { return value; }
TRELLIS_HOST_DEVICE inline float widened(BFloat16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}

// To nearest even; NaN stays NaN.
template <class A>
TRELLIS_HOST_DEVICE inline A rounded(Compute<A> value) {
  if constexpr (sizeof(A) == sizeof(BFloat16)) {
#ifdef __CUDA_ARCH__
    return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
#else
    std::uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const std::uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return {static_cast<std::uint16_t>(value != value ? 0x7fc0u : nearest)};
#endif
  } else {
    return value;
  }
}

// exp(x) = 2^(x log2 e): the product's rounding error is made good, since it would be multiplied by x. NaN stays NaN.
TRELLIS_HOST_DEVICE inline float exponential(float x) {
  constexpr float kLog2E = 1.44269504f, kLog2ELow = 1.92596303e-8f, kLn2 = 0.693147181f;
  x = x > 88.0f ? 88.0f : x;  // above, 2^x would be infinite and its correction NaN
  x = x < -104.0f ? -104.0f : x;
  const float high = x * kLog2E;
  const float low = fmaf(x, kLog2E, -high) + x * kLog2ELow;
  const float power = exp2f(high);
  return fmaf(power, low * kLn2, power);
}
TRELLIS_HOST_DEVICE inline double exponential(double x) { return exp(x); }

// 1 / (1 + 2^x), from 1 at minus infinity to 0 at infinity; NaN stays NaN. What the logistic function and tanh are made of: of
// two instructions that flush the smallest numbers to zero, which 1 + 2^x does not see.
TRELLIS_HOST_DEVICE inline float falling_step(float x) {
#ifdef __CUDA_ARCH__
  float power, result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(1.0f + power));
  return result;
#else
  return 1.0f / (1.0f + exp2f(x));
#endif
}

// x is rounded in x log2(e), an error of up to |x| units in the last place of 1 - logistic(x).
TRELLIS_HOST_DEVICE inline float logistic(float x) { return falling_step(-1.44269504f * x); }
TRELLIS_HOST_DEVICE inline double logistic(double x) { return 1.0 / (1.0 + exp(-x)); }

// tanh(x) = 1 - 2 / (1 + exp(2 x)) loses what a small x is made of: below 0.6 the series of tanh(x) / x in x^2, whose
// coefficients were fitted (relative error below 1e-7).
TRELLIS_HOST_DEVICE inline float hyperbolic_tangent(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float large = fmaf(-2.0f, falling_step(2.88539008f * magnitude), 1.0f);
  const float s = x * x;
  float p = -0.00589514524f;
  p = fmaf(p, s, 0.02079596f);
  p = fmaf(p, s, -0.0537838265f);
  p = fmaf(p, s, 0.133319244f);
  p = fmaf(p, s, -0.333332986f);
  const float small = fmaf(p * s, x, x);
  return magnitude < 0.6f ? small : x < 0 ? -large : large;
}
TRELLIS_HOST_DEVICE inline double hyperbolic_tangent(double x) { return tanh(x); }

TRELLIS_HOST_DEVICE inline float square_root(float x) { return sqrtf(x); }
TRELLIS_HOST_DEVICE inline double square_root(double x) { return sqrt(x); }

}  // namespace trellis::cuda
