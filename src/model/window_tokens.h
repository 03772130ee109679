// One window of some lanes of a text.
#pragma once

#include <ATen/ATen.h>

namespace trellis {

// tokens, targets: [steps * lanes] int64 on the CPU, time-major.
struct WindowTokens {
  std::int64_t steps = 0;
  std::int64_t discard = 0;  // leading steps that carry no loss
  at::Tensor tokens, targets;
};

}  // namespace trellis
