// From the raw parameters of a convolution to the kernel that multiplies, once a window: weight dropout on the raw
// kernel (every tap but the last), then weight normalisation w = g v / ||v|| (Salimans and Kingma 2016), the norm over
// all but the output channel.
//
// Kernels lie as [rows, taps, channels]: a row's taps are contiguous, and tap j is a matrix with leading dimension
// taps * channels. Rows are the 4 H output channels. The kernel that multiplies has the type of activations; its gradient
// and the raw parameters are Compute<A>.
#pragma once

#include <cstdint>

#include "kernels/element.h"
#include "plan/random.h"

namespace trellis {

// The dropout mask of a kernel: none, given element by element (parity checks), or drawn from a stream when needed.
template <class T>
struct KernelMask {
  const T* given = nullptr;     // [rows, taps, channels], already scaled, or null
  std::uint64_t threshold = 0;  // with `given` null: 0 means no dropout
  T scale = 1;                  // 1 / (1 - p)
  RandomStream stream;          // word index = element index
  bool active() const { return given != nullptr || threshold != 0; }
};

template <class A>
struct EffectiveKernelForward {
  using T = Compute<A>;
  std::int64_t taps = 0, channels = 0;
  const T* direction = nullptr;  // v (or the kernel itself) [rows, taps, channels]
  const T* gain = nullptr;       // g [rows], or null: no weight normalisation
  KernelMask<T> mask;
  A* kernel = nullptr;           // out [rows, taps, channels]
};

template <class T>
struct EffectiveKernelBackward {
  std::int64_t taps = 0, channels = 0;
  const T* direction = nullptr, *gain = nullptr;
  KernelMask<T> mask;
  T* d_kernel = nullptr;         // in: gradient of the effective kernel; out: of `direction` [rows, taps, channels]
  T* d_gain = nullptr;           // out [rows], or null without weight normalisation
};

}  // namespace trellis
