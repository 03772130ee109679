// Sums over levels on a GPU (kernels/level_sums.h): a thread sums N neighbouring elements.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/level_sums.h"

namespace trellis::cuda {

template <int N, class A>
struct LevelSumsBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  LevelSums<A> k;
  Range elements;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t at = elements.begin + (number * kThreads + thread) * N;
      if (at >= elements.end) return;
      Compute<A> sum[N] = {}, values[N];
      for (std::int64_t place = 0; place < k.count; ++place) {
        load<N>(k.values + k.places[place] * k.distance + at, values);
        for (int n = 0; n < N; ++n) sum[n] += values[n];
      }
      store<N>(k.sums + at, sum);
    });
  }
};

template <class Device, class A>
void level_sums(const LevelSums<A>& k, Range elements, void* stream) {
  constexpr int N = kVector<A>;
  if (k.distance % N == 0 && elements.begin % N == 0 && elements.size() % N == 0 && aligned({k.values, k.sums})) {
    Device::run(LevelSumsBody<N, A>{k, elements}, blocks_for(elements.size() / N), stream);
  } else {
    Device::run(LevelSumsBody<1, A>{k, elements}, blocks_for(elements.size()), stream);
  }
}

}  // namespace trellis::cuda
