// Softmax and cross entropy on a GPU (kernels/cross_entropy.h): one block of threads a row. The row is read once for its
// largest logit and sum of exponentials together, each thread correcting its sum when it meets a larger logit, and once more
// for the gradient. A thread's sum is of T over its few hundred classes; the threads' sums are combined in float64.
#pragma once

#include <type_traits>

#include "kernels/cross_entropy.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"

namespace trellis::cuda {

// What the threads of a row's block share.
template <class T, int Threads>
struct RowSum {
  T largest[Threads];
  double sum[Threads];
  T at_target;
};

// body(width, n) for a thread's classes n to n + width: N at a time as far as they go, then one by one. width is a constant.
template <int N, int Threads, class Body>
TRELLIS_HOST_DEVICE void for_own_classes(int thread, std::int64_t classes, Body body) {
  const std::int64_t whole = classes / N * N;
  for (std::int64_t n = std::int64_t{thread} * N; n < whole; n += std::int64_t{Threads} * N) body(std::integral_constant<int, N>{}, n);
  for (std::int64_t n = whole + thread; n < classes; n += Threads) body(std::integral_constant<int, 1>{}, n);
}

// below every logit, but finite: the difference of two of them is no NaN
template <class T>
TRELLIS_HOST_DEVICE constexpr T lowest() {
  return sizeof(T) == 4 ? T(-3.0e38) : T(-1.0e308);
}

// shared.largest[0] and shared.sum[0]: the row's largest logit and the sum of exp(logit - largest), to be read after this.
// N: classes read at once.
template <int N, class T, int Threads, class Block>
TRELLIS_HOST_DEVICE void sum_exponentials(Block& block, const T* logits, std::int64_t classes, std::int64_t target, RowSum<T, Threads>& shared) {
  block.each([&](int thread) {
    T largest = lowest<T>(), sum = 0;
    for_own_classes<N, Threads>(thread, classes, [&](auto width, std::int64_t n) {
      constexpr int W = decltype(width)::value;
      T values[W];
      load<W>(logits + n, values);
      T top = largest;
      for (int v = 0; v < W; ++v) top = values[v] > top ? values[v] : top;
      if (top > largest) sum *= exponential(largest - top);
      largest = top;
      for (int v = 0; v < W; ++v) sum += exponential(values[v] - largest);  // a NaN stays visible
    });
    shared.largest[thread] = largest, shared.sum[thread] = static_cast<double>(sum);
    if (thread == 0 && classes > 0) shared.at_target = logits[target];
  });
  reduce<Threads>(block, [&](int into, int from) {
    const T a = shared.largest[into], b = shared.largest[from], top = a > b ? a : b;
    shared.sum[into] = shared.sum[into] * exp(static_cast<double>(a - top)) + shared.sum[from] * exp(static_cast<double>(b - top));
    shared.largest[into] = top;
  });
}

template <int N, class T>
struct CrossEntropyBody {
  static constexpr int kThreads = 512;
  using Shared = RowSum<T, kThreads>;
  CrossEntropy<T> k;
  std::int64_t first_row;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const std::int64_t row = first_row + number, target = k.targets[row];
    T* const logits = k.logits + row * k.stride;
    sum_exponentials<N, T, kThreads>(block, logits, k.classes, target, shared);
    block.each([&](int thread) {
      const T largest = shared.largest[0];
      const double total = shared.sum[0];
      if (thread == 0) k.loss[row] = log(total) + static_cast<double>(largest - shared.at_target);
      if (!k.scale) return;
      const T scale = k.scale[row], factor = static_cast<T>(static_cast<double>(scale) / total);
      for_own_classes<N, kThreads>(thread, k.classes, [&](auto width, std::int64_t n) {
        constexpr int W = decltype(width)::value;
        T values[W];
        load<W>(logits + n, values);
        for (int v = 0; v < W; ++v) {
          values[v] = factor * exponential(values[v] - largest);
          if (n + v == target) values[v] -= scale;
        }
        store<W>(logits + n, values);
      });
    });
  }
};

template <class Device, class T>
void cross_entropy(const CrossEntropy<T>& k, Range rows, void* stream) {
  constexpr int N = kVector<T>;
  if (k.stride % N == 0 && aligned({k.logits})) {
    Device::run(CrossEntropyBody<N, T>{k, rows.begin}, rows.size(), stream);
  } else {
    Device::run(CrossEntropyBody<1, T>{k, rows.begin}, rows.size(), stream);
  }
}

}  // namespace trellis::cuda
