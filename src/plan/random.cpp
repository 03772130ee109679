#include "plan/random.h"

#include <cmath>

#include "plan/elementary.h"

namespace trellis {

double RandomStream::normal(std::uint64_t index) const {
  const std::array<std::uint32_t, 4> words = block(index / 2);
  const std::size_t first = index % 2 * 2;
  const double radius_uniform = (words[first] + 0.5) / 4294967296.0, angle_uniform = words[first + 1] / 4294967296.0;
  return std::sqrt(-2.0 * logarithm(radius_uniform)) * cosine_of_turns(angle_uniform);
}

}  // namespace trellis
