// Of what a rank is given of a window, the lanes that it wants.
#pragma once

#include "model/window_tokens.h"
#include "plan/shard_range.h"

namespace trellis {

// Of values [steps * given lanes] those of `lanes`, [steps * lanes], contiguous; the very same tensor if they are all.
inline at::Tensor lanes_of(const at::Tensor& values, std::int64_t steps, Range given, Range lanes) {
  if (given == lanes) return values;
  return values.view({steps, given.size()}).narrow(1, lanes.begin - given.begin, lanes.size()).contiguous().view({-1});
}

}  // namespace trellis
