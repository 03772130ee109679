// The sum of a matrix's rows: the gradient of a bias.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace trellis {

// Rows are summed in blocks of kColumnSumRows, and the blocks' sums in order: the result does not depend on how the columns
// are cut over threads, and a float32 sum's error does not grow with the number of rows.
inline constexpr std::int64_t kColumnSumRows = 64;

template <class A>
struct ColumnSums {
  std::int64_t rows = 0, columns = 0;
  std::int64_t stride = 0;     // elements from one row to the next
  const A* values = nullptr;   // [rows, columns]
  Compute<A>* sums = nullptr;  // [columns], added to
};

}  // namespace trellis
