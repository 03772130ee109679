// Effective kernels on a GPU (kernels/weight_norm.h): one block of threads a row; the norm over the row in a fixed order.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/weight_norm.h"

namespace trellis::cuda {

// The elements of one row that a thread works on, four at a time as they are drawn: body(n, mask of element n), n in the row.
template <int Threads, class T, class Body>
TRELLIS_HOST_DEVICE void for_own_elements(const KernelMask<T>& mask, std::int64_t row, std::int64_t taps, std::int64_t channels, int thread,
                                          Body body) {
  const std::int64_t width = taps * channels, begin = row * width, end = begin + width, dropped = end - channels;
  for (std::int64_t group = begin / 4 + thread; group * 4 < end; group += Threads) {
    const bool draws = !mask.given && mask.threshold != 0 && group * 4 < dropped;
    std::uint32_t words[4] = {};
    if (draws) mask.stream.draw(static_cast<std::uint64_t>(group), words);
    for (int word = 0; word < 4; ++word) {
      const std::int64_t element = group * 4 + word;
      if (element < begin || element >= end) continue;
      T factor = T(1);
      if (mask.given) {
        factor = mask.given[element];
      } else if (draws && element < dropped) {
        factor = words[word] < mask.threshold ? T(0) : mask.scale;
      }
      body(element - begin, factor);
    }
  }
}

template <class A>
struct EffectiveKernelForwardBody {
  static constexpr int kThreads = cuda::kThreads;
  struct Shared {
    double squares[kThreads];
  };
  using T = Compute<A>;
  EffectiveKernelForward<A> k;
  std::int64_t first_row;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const std::int64_t row = first_row + number, width = k.taps * k.channels;
    const T* const v = k.direction + row * width;
    if (k.gain) {
      block.each([&](int thread) {
        T sum = 0;
        for_own_elements<kThreads>(k.mask, row, k.taps, k.channels, thread, [&](std::int64_t n, T mask) {
          const T u = v[n] * mask;
          sum += u * u;
        });
        shared.squares[thread] = static_cast<double>(sum);
      });
      reduce<kThreads>(block, [&](int into, int from) { shared.squares[into] += shared.squares[from]; });
    }
    block.each([&](int thread) {
      T factor = T(1);
      if (k.gain) factor = shared.squares[0] > 0 ? k.gain[row] / static_cast<T>(sqrt(shared.squares[0])) : T(0);
      for_own_elements<kThreads>(k.mask, row, k.taps, k.channels, thread,
                                 [&](std::int64_t n, T mask) { k.kernel[row * width + n] = rounded<A>(v[n] * mask * factor); });
    });
  }
};

template <class T>
struct EffectiveKernelBackwardBody {
  static constexpr int kThreads = cuda::kThreads;
  struct Shared {
    double squares[kThreads], products[kThreads];
  };
  EffectiveKernelBackward<T> k;
  std::int64_t first_row;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const std::int64_t row = first_row + number, width = k.taps * k.channels;
    const T* const v = k.direction + row * width;
    T* const d = k.d_kernel + row * width;
    if (k.gain) {
      block.each([&](int thread) {
        T squares = 0, product = 0;
        for_own_elements<kThreads>(k.mask, row, k.taps, k.channels, thread, [&](std::int64_t n, T mask) {
          const T u = v[n] * mask;
          squares += u * u;
          product += d[n] * u;
        });
        shared.squares[thread] = static_cast<double>(squares), shared.products[thread] = static_cast<double>(product);
      });
      reduce<kThreads>(block, [&](int into, int from) {
        shared.squares[into] += shared.squares[from];
        shared.products[into] += shared.products[from];
      });
    }
    block.each([&](int thread) {
      T factor = T(1), shrink = T(0);  // dv = mask (factor d - shrink u), u = v mask
      if (k.gain) {
        const double inverse = shared.squares[0] > 0 ? 1.0 / sqrt(shared.squares[0]) : 0.0, along = shared.products[0] * inverse;
        if (thread == 0) k.d_gain[row] = static_cast<T>(along);
        factor = static_cast<T>(static_cast<double>(k.gain[row]) * inverse);
        shrink = static_cast<T>(static_cast<double>(k.gain[row]) * inverse * along * inverse);
      }
      for_own_elements<kThreads>(k.mask, row, k.taps, k.channels, thread,
                                 [&](std::int64_t n, T mask) { d[n] = mask * (factor * d[n] - shrink * (v[n] * mask)); });
    });
  }
};

template <class Device, class A>
void effective_kernel_forward(const EffectiveKernelForward<A>& k, Range rows, void* stream) {
  Device::run(EffectiveKernelForwardBody<A>{k, rows.begin}, rows.size(), stream);
}

template <class Device, class T>
void effective_kernel_backward(const EffectiveKernelBackward<T>& k, Range rows, void* stream) {
  Device::run(EffectiveKernelBackwardBody<T>{k, rows.begin}, rows.size(), stream);
}

}  // namespace trellis::cuda
