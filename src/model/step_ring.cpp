#include "model/step_ring.h"

#include <algorithm>

#include "base/errors.h"

namespace trellis {

StepRing::StepRing(std::int64_t steps, std::int64_t lanes, std::int64_t channels, at::TensorOptions options)
    : steps_(steps), lanes_(lanes), memory_(at::empty({steps * lanes, channels}, options)) {
  require(steps >= 1, "a ring keeps one step at least");
}

void StepRing::fill(const at::Tensor& value) {
  memory_.view({steps_, lanes_, value.size(1)}).copy_(value.unsqueeze(0).expand({steps_, -1, -1}));
}

void StepRing::push(const at::Tensor& values) {
  const std::int64_t count = values.size(0) / lanes_, kept = std::min(count, steps_);
  for (std::int64_t done = 0; done < kept;) {
    const std::int64_t piece = std::min(kept - done, steps_ - next_);
    rows(next_, piece).copy_(values.narrow(0, (count - kept + done) * lanes_, piece * lanes_));
    next_ = (next_ + piece) % steps_;
    done += piece;
  }
}

at::Tensor StepRing::read(std::int64_t delay, std::int64_t count, const at::Tensor& scratch) const {
  require(1 <= count && count <= delay && delay <= steps_, "a ring was asked for steps that it does not keep");
  const std::int64_t first = (next_ - delay + steps_) % steps_, together = std::min(count, steps_ - first);
  if (together == count) return rows(first, count);
  scratch.narrow(0, 0, together * lanes_).copy_(rows(first, together));
  scratch.narrow(0, together * lanes_, (count - together) * lanes_).copy_(rows(0, count - together));
  return scratch.narrow(0, 0, count * lanes_);
}

}  // namespace trellis
