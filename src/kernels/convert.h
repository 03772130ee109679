// Between activations and the type that is computed in.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace trellis {

// values = from, rounded to nearest even.
template <class A>
struct RoundElements {
  const Compute<A>* from = nullptr;  // [elements]
  A* values = nullptr;               // out [elements]
};

// Float32 as bfloat16 parts for a product of three times the depth: x = high + low but for 2^-17 of it, high = x and low = x - high,
// both rounded to nearest even. Products of the two factors' rows then add up to high*high + high*low + low*high
// (model/split_products.h). Numbers that are not finite come out as NaN. CPUs only: GPUs have TF32.
struct SplitRows {
  enum class Factor { first, second };
  Factor factor = Factor::first;
  std::int64_t columns = 0;
  const float* from = nullptr;  // [rows, columns]
  std::int64_t stride = 0;      // elements from one row of `from` to the next
  BFloat16* parts = nullptr;    // out [rows, 3 columns]: high, high, low of the first factor; high, low, high of the second
};

// sums = values, or sums += values, row by row.
template <class A>
struct WidenRows {
  std::int64_t columns = 0;
  const A* values = nullptr;    // [rows, columns]
  std::int64_t stride = 0;      // elements from one row of `sums` to the next
  Compute<A>* sums = nullptr;   // [rows, columns], overwritten or added to
  bool add = false;
};

}  // namespace trellis
