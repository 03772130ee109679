// The fused gates kernels (kernels/gates.h) on rows held as tensors: shapes, optional parts and threads.
#pragma once

#include <ATen/ATen.h>

#include <array>

#include "model/launch.h"
#include "plan/trellis_shape.h"

namespace trellis {

// Some outputs of a level, at most kMaxGateOutputs, without allocating.
class OutputRows {
 public:
  struct Rows {
    at::Tensor values;  // [rows, O]: outputs, or their gradient
    at::Tensor mask;    // [lanes, O] or undefined
  };
  void add(at::Tensor values, at::Tensor mask);
  int count() const { return count_; }
  const Rows& operator[](int n) const { return rows_[static_cast<std::size_t>(n)]; }

 private:
  std::array<Rows, kMaxGateOutputs> rows_;
  int count_ = 0;
};

// Every tensor contiguous, [rows, channels]; rows a multiple of the lanes.
struct GateRows {
  at::Tensor gates;          // [rows, 4H]: W2 * h_below, overwritten with the activations
  at::Tensor injection;      // [rows, 4H]: W1 * x, or undefined
  at::Tensor bias;           // [4H]
  at::Tensor previous_cell;  // [rows, H]
  at::Tensor hidden_mask;    // [lanes, H] or undefined
  at::Tensor cell, hidden;   // [rows, H], overwritten
  OutputRows outputs;        // overwritten
};
void gates_forward(const TrellisShape& shape, std::int64_t lanes, const GateRows& rows);

struct GateGradientRows {
  at::Tensor gates;                // [rows, 4H]: activations, overwritten with the gradient of what went into them
  at::Tensor cell, previous_cell;  // [rows, H]
  at::Tensor hidden_mask;          // [lanes, H] or undefined
  at::Tensor d_hidden, d_cell;     // [rows, H] or undefined
  OutputRows d_outputs;
  at::Tensor d_previous_cell;      // [rows, H], overwritten; undefined: not wanted
  at::Tensor d_injection;          // [rows, 4H], or undefined where nothing is injected
  Accumulate to_injection = Accumulate::overwrite;
};
void gates_backward(const TrellisShape& shape, std::int64_t lanes, const GateGradientRows& rows);

}  // namespace trellis
