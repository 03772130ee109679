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
