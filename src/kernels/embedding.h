// Embedding lookup with its two dropouts (whole words; and input channels, one mask a lane), and the sum of its gradient
// in a fixed order. Rows are time-major: row = step * lanes + lane.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace trellis {

template <class A>
struct EmbeddingForward {
  using T = Compute<A>;
  std::int64_t channels = 0, lanes = 1;
  const std::int64_t* tokens = nullptr;  // [rows]
  const T* table = nullptr;              // [vocabulary, channels]
  const T* word_mask = nullptr;          // [vocabulary], scaled, or null
  const T* input_mask = nullptr;         // [lanes, channels], scaled, or null
  A* values = nullptr;                   // out [rows, channels]
};

template <class A>
struct EmbeddingBackward {
  using T = Compute<A>;
  std::int64_t channels = 0, lanes = 1, rows = 0;
  const std::int64_t* tokens = nullptr;
  const T* word_mask = nullptr, *input_mask = nullptr;
  const A* d_values = nullptr;  // [rows, channels]
  T* d_table = nullptr;         // [vocabulary, channels], added to; rows in order, so the sum is reproducible
};

}  // namespace trellis
