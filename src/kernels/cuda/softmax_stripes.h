// Softmaxes whose classes lie with several ranks, on a GPU (kernels/softmax_stripes.h): one block of threads a row. The row is
// read once for its largest logit and sum together (as in cross_entropy.h), and once more where the exponentials are kept.
#pragma once

#include "kernels/cuda/cross_entropy.h"
#include "kernels/softmax_stripes.h"

namespace trellis::cuda {

template <int N, class T>
struct SoftmaxStatisticsBody {
  static constexpr int kThreads = 512;
  using Shared = RowSum<T, kThreads>;
  SoftmaxStatistics<T> k;
  std::int64_t first_row;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const std::int64_t row = first_row + number, target = k.targets[row];
    T* const logits = k.logits + row * k.stride;
    sum_exponentials<N, T, kThreads>(block, logits, k.classes, target < 0 ? 0 : target, shared);
    block.each([&](int thread) {
      const T largest = shared.largest[0];
      if (thread == 0) {
        double* const numbers = k.numbers + row * kSoftmaxNumbers;
        numbers[0] = k.classes == 0 ? -HUGE_VAL : static_cast<double>(largest);
        numbers[1] = k.classes == 0 ? 0.0 : shared.sum[0];
        numbers[2] = target < 0 ? 0.0 : static_cast<double>(shared.at_target);
      }
      if (!k.keep_exponentials) return;
      for_own_classes<N, kThreads>(thread, k.classes, [&](auto width, std::int64_t n) {
        constexpr int W = decltype(width)::value;
        T values[W];
        load<W>(logits + n, values);
        for (int v = 0; v < W; ++v) values[v] = exponential(values[v] - largest);
        store<W>(logits + n, values);
      });
    });
  }
};

template <int N, class T>
struct SoftmaxGradientBody {
  static constexpr int kThreads = 512;
  struct Shared {
    T factor;
  };
  SoftmaxGradient<T> k;
  std::int64_t first_row;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const std::int64_t row = first_row + number, target = k.targets[row];
    T* const values = k.exponentials + row * k.stride;
    const T scale = k.scale[row];
    block.each([&](int thread) {
      if (thread != 0) return;
      shared.factor = static_cast<T>(static_cast<double>(scale) * exp(k.numbers[row * kSoftmaxNumbers] - k.log_normaliser[row]));
    });
    block.each([&](int thread) {
      const T factor = shared.factor;
      for_own_classes<N, kThreads>(thread, k.classes, [&](auto width, std::int64_t n) {
        constexpr int W = decltype(width)::value;
        T part[W];
        load<W>(values + n, part);
        for (int v = 0; v < W; ++v) {
          part[v] *= factor;
          if (n + v == target) part[v] -= scale;
        }
        store<W>(values + n, part);
      });
    });
  }
};

template <class Device, class T>
void softmax_statistics(const SoftmaxStatistics<T>& k, Range rows, void* stream) {
  constexpr int N = kVector<T>;
  if (k.stride % N == 0 && aligned({k.logits})) {
    Device::run(SoftmaxStatisticsBody<N, T>{k, rows.begin}, rows.size(), stream);
  } else {
    Device::run(SoftmaxStatisticsBody<1, T>{k, rows.begin}, rows.size(), stream);
  }
}

template <class Device, class T>
void softmax_gradient(const SoftmaxGradient<T>& k, Range rows, void* stream) {
  constexpr int N = kVector<T>;
  if (k.stride % N == 0 && aligned({k.exponentials})) {
    Device::run(SoftmaxGradientBody<N, T>{k, rows.begin}, rows.size(), stream);
  } else {
    Device::run(SoftmaxGradientBody<1, T>{k, rows.begin}, rows.size(), stream);
  }
}

}  // namespace trellis::cuda
