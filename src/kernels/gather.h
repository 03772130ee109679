// Whole steps of a time-major matrix gathered into another order, and their gradient brought back. A step is `lanes` rows
// that lie one after another.
#pragma once

#include <cstdint>

namespace trellis {

template <class T>
struct GatherSteps {
  std::int64_t channels = 0, lanes = 1;
  const std::int64_t* places = nullptr;  // [steps]: which step of `source`; -1: zeros
  const T* source = nullptr;             // [source steps * lanes, channels]
  std::int64_t stride = 0;               // elements from one row of `values` to the next
  T* values = nullptr;                   // out [steps * lanes, channels]
};

template <class T>
struct ScatterAddSteps {
  std::int64_t channels = 0, lanes = 1;
  const std::int64_t* places = nullptr;  // [steps]: which step of `sums`, each at most once; -1: nowhere
  std::int64_t stride = 0;               // elements from one row of `values` to the next
  const T* values = nullptr;             // [steps * lanes, channels]
  T* sums = nullptr;                     // [sum steps * lanes, channels], added to
};

}  // namespace trellis
