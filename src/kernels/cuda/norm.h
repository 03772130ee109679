// Sums of squares on a GPU: one block of threads for each kNormBlock elements, in float64 and in a fixed order.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/table.h"

namespace trellis::cuda {

template <class T>
struct SquaredNormBody {
  static constexpr int kThreads = 512;
  struct Shared {
    double sums[kThreads];
  };
  const T* values;
  std::int64_t count;
  double* sums;
  std::int64_t first_block;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const std::int64_t norm_block = first_block + number, whole = (norm_block + 1) * kNormBlock, end = whole < count ? whole : count;
    block.each([&](int thread) {
      double sum = 0;
      for (std::int64_t n = norm_block * kNormBlock + thread; n < end; n += kThreads) {
        sum += static_cast<double>(values[n]) * static_cast<double>(values[n]);
      }
      shared.sums[thread] = sum;
    });
    reduce<kThreads>(block, [&](int into, int from) { shared.sums[into] += shared.sums[from]; });
    block.each([&](int thread) {
      if (thread == 0) sums[norm_block] = shared.sums[0];
    });
  }
};

template <class Device, class T>
void squared_norm(const T* values, std::int64_t count, double* sums, Range blocks, void* stream) {
  Device::run(SquaredNormBody<T>{values, count, sums, blocks.begin}, blocks.size(), stream);
}

}  // namespace trellis::cuda
