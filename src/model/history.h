// What a window hands to the next: the last step of the network's last level, [lanes, H] each. It fills every level's halo
// at the next window's start (Bai, Kolter and Koltun 2019, appendix B).
#pragma once

#include <ATen/ATen.h>

namespace trellis {

struct History {
  at::Tensor hidden, cell;
};

}  // namespace trellis
