// The sum over levels of a matrix that each of them has, the matrices at one distance in memory: the gradient of what enters
// all of these levels alike.
#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace trellis {

// sums[n] = sum over `places` of values[place * distance + n], in the order of the list, rounded once.
template <class A>
struct LevelSums {
  std::int64_t count = 0;                // of places
  const std::int64_t* places = nullptr;  // [count]
  std::int64_t distance = 0;             // elements from one place to the next
  const A* values = nullptr;             // place 0
  A* sums = nullptr;                     // out
};

}  // namespace trellis
