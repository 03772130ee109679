// The last steps of something that goes on for ever, [lanes, channels] a step, in memory of a fixed size.
#pragma once

#include <ATen/ATen.h>

namespace trellis {

class StepRing {
 public:
  // steps: how many are kept, at least 1. What was never written is undefined.
  StepRing(std::int64_t steps, std::int64_t lanes, std::int64_t channels, at::TensorOptions options);

  // Every step kept becomes `value` [lanes, channels].
  void fill(const at::Tensor& value);
  // The newest steps, [count * lanes, channels] with count >= 1; older ones fall out.
  void push(const at::Tensor& rows);
  // Rows [count * lanes, channels] of the `count` steps from `delay` before the next on, oldest first: 1 <= count <= delay
  // <= steps. A view where they lie together, else copied into `scratch` (at least that many rows), of which a view is
  // returned.
  at::Tensor read(std::int64_t delay, std::int64_t count, const at::Tensor& scratch) const;

 private:
  at::Tensor rows(std::int64_t step, std::int64_t count) const { return memory_.narrow(0, step * lanes_, count * lanes_); }

  std::int64_t steps_, lanes_;
  std::int64_t next_ = 0;  // where the next step goes
  at::Tensor memory_;      // [steps * lanes, channels]
};

}  // namespace trellis
