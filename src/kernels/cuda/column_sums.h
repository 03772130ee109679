// Sums of rows on a GPU (kernels/column_sums.h): a thread a column, its rows in the specification's order.
#pragma once

#include "kernels/column_sums.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"

namespace trellis::cuda {

template <class A>
struct ColumnSumsBody {
  static constexpr int kThreads = 32;  // few columns a block, so that all of the GPU has some
  using Shared = NothingShared;
  using T = Compute<A>;
  ColumnSums<A> k;
  Range columns;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t column = columns.begin + number * kThreads + thread;
      if (column >= columns.end) return;
      T all = k.sums[column];
      for (std::int64_t first = 0; first < k.rows; first += kColumnSumRows) {
        const std::int64_t last = first + kColumnSumRows < k.rows ? first + kColumnSumRows : k.rows;
        T sum = 0;
        for (std::int64_t row = first; row < last; ++row) sum += widened(k.values[row * k.stride + column]);
        all += sum;
      }
      k.sums[column] = all;
    });
  }
};

template <class Device, class A>
void column_sums(const ColumnSums<A>& k, Range columns, void* stream) {
  Device::run(ColumnSumsBody<A>{k, columns}, blocks_for(columns.size(), ColumnSumsBody<A>::kThreads), stream);
}

}  // namespace trellis::cuda
