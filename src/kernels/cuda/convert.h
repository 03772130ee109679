// Rounding and widening on a GPU (kernels/convert.h): a thread converts N neighbouring elements.
#pragma once

#include "kernels/convert.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"

namespace trellis::cuda {

template <int N, class A>
struct RoundElementsBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  RoundElements<A> k;
  Range elements;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t at = elements.begin + (number * kThreads + thread) * N;
      if (at >= elements.end) return;
      Compute<A> values[N];
      load<N>(k.from + at, values);
      store<N>(k.values + at, values);
    });
  }
};

template <int N, class A>
struct WidenRowsBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  WidenRows<A> k;
  std::int64_t first_row, items;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t item = number * kThreads + thread;
      if (item >= items) return;
      const Division in_row = divide(item, k.columns / N);
      const std::int64_t row = first_row + in_row.quotient, column = in_row.rest * N;
      Compute<A> values[N], sums[N] = {};
      load<N>(k.values + row * k.columns + column, values);
      Compute<A>* const into = k.sums + row * k.stride + column;
      if (k.add) load<N>(into, sums);
      for (int n = 0; n < N; ++n) values[n] += sums[n];
      store<N>(into, values);
    });
  }
};

template <class Device, class A>
void round_elements(const RoundElements<A>& k, Range elements, void* stream) {
  constexpr int N = kVector<A>;
  if (elements.begin % N == 0 && elements.size() % N == 0 && aligned({k.from, k.values})) {
    Device::run(RoundElementsBody<N, A>{k, elements}, blocks_for(elements.size() / N), stream);
  } else {
    Device::run(RoundElementsBody<1, A>{k, elements}, blocks_for(elements.size()), stream);
  }
}

template <class Device, class A>
void widen_rows(const WidenRows<A>& k, Range rows, void* stream) {
  constexpr int N = kVector<A>;
  if (k.columns % N == 0 && k.stride % N == 0 && aligned({k.values, k.sums})) {
    const std::int64_t items = rows.size() * (k.columns / N);
    Device::run(WidenRowsBody<N, A>{k, rows.begin, items}, blocks_for(items), stream);
  } else {
    const std::int64_t items = rows.size() * k.columns;
    Device::run(WidenRowsBody<1, A>{k, rows.begin, items}, blocks_for(items), stream);
  }
}

}  // namespace trellis::cuda
