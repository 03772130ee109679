// Whole steps gathered and scattered on a GPU (kernels/gather.h): a thread moves N neighbouring channels of a row.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/gather.h"

namespace trellis::cuda {

template <int N, class A>
struct GatherStepsBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  GatherSteps<A> k;
  std::int64_t first_row, items;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t item = number * kThreads + thread;
      if (item >= items) return;
      const Division in_row = divide(item, k.channels / N);
      const std::int64_t row = first_row + in_row.quotient, channel = in_row.rest * N;
      const Division step = divide(row, k.lanes);
      const std::int64_t place = k.places[step.quotient];
      A* const values = k.values + row * k.stride + channel;
      if (place < 0) {
        const Compute<A> zeros[N] = {};
        store<N>(values, zeros);
      } else {
        copy<N>(k.source + (place * k.lanes + step.rest) * k.channels + channel, values);
      }
    });
  }
};

template <int N, class A>
struct ScatterAddStepsBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  ScatterAddSteps<A> k;
  std::int64_t first_row, items;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t item = number * kThreads + thread;
      if (item >= items) return;
      const Division in_row = divide(item, k.channels / N);
      const std::int64_t row = first_row + in_row.quotient, channel = in_row.rest * N;
      const Division step = divide(row, k.lanes);
      const std::int64_t place = k.places[step.quotient];
      if (place < 0) return;
      A* const sums = k.sums + (place * k.lanes + step.rest) * k.channels + channel;
      Compute<A> sum[N], values[N];
      load<N>(sums, sum);
      load<N>(k.values + row * k.stride + channel, values);
      for (int n = 0; n < N; ++n) sum[n] += values[n];
      store<N>(sums, sum);
    });
  }
};

template <class Device, class A>
void gather_steps(const GatherSteps<A>& k, Range rows, void* stream) {
  constexpr int N = kVector<A>;
  if (k.channels % N == 0 && k.stride % N == 0 && aligned({k.source, k.values})) {
    const std::int64_t items = rows.size() * (k.channels / N);
    Device::run(GatherStepsBody<N, A>{k, rows.begin, items}, blocks_for(items), stream);
  } else {
    const std::int64_t items = rows.size() * k.channels;
    Device::run(GatherStepsBody<1, A>{k, rows.begin, items}, blocks_for(items), stream);
  }
}

template <class Device, class A>
void scatter_add_steps(const ScatterAddSteps<A>& k, Range rows, void* stream) {
  constexpr int N = kVector<A>;
  if (k.channels % N == 0 && k.stride % N == 0 && aligned({k.sums, k.values})) {
    const std::int64_t items = rows.size() * (k.channels / N);
    Device::run(ScatterAddStepsBody<N, A>{k, rows.begin, items}, blocks_for(items), stream);
  } else {
    const std::int64_t items = rows.size() * k.channels;
    Device::run(ScatterAddStepsBody<1, A>{k, rows.begin, items}, blocks_for(items), stream);
  }
}

}  // namespace trellis::cuda
