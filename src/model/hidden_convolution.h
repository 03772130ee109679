// The products with W2, one tap at a time: dense, or a mixed group convolution (Bai, Kolter and Koltun 2019, eq. 5), in
// which taps before the current step feed each group of channels from itself (an RNN layer's recurrence) and the current
// step feeds it from the group below (the layer below); the lowest group has none below.
//
// Kernels as in Parameters: [4H, k, H], or [4H, k, H / groups] with the 4H rows group by group. A group is one GEMM, so
// nothing is multiplied that is zero by construction.
#pragma once

#include <ATen/ATen.h>

#include "model/launch.h"
#include "plan/trellis_shape.h"

namespace trellis {

class HiddenConvolution {
 public:
  explicit HiddenConvolution(const TrellisShape& shape);

  // gates [rows, 4H] = or += kernel(tap) * hidden [rows, H].
  void forward(const at::Tensor& gates, const at::Tensor& hidden, const at::Tensor& kernel, std::int64_t tap, Accumulate accumulate) const;
  // d_hidden [rows, H] = or += the gradient that comes through this tap.
  void backward_hidden(const at::Tensor& d_hidden, const at::Tensor& d_gates, const at::Tensor& kernel, std::int64_t tap,
                       Accumulate accumulate) const;
  // d_kernel(tap) += the kernel's gradient; d_kernel may be wider than the activations.
  void backward_kernel(const at::Tensor& d_kernel, const at::Tensor& d_gates, const at::Tensor& hidden, std::int64_t tap);

  // All taps at once: rows hold what each tap sees, `taps` [rows, k, H], which for a dense kernel is one GEMM.
  void forward_taps(const at::Tensor& gates, const at::Tensor& taps, const at::Tensor& kernel, Accumulate accumulate) const;
  void backward_taps(const at::Tensor& d_taps, const at::Tensor& d_gates, const at::Tensor& kernel) const;  // overwrites d_taps
  void backward_kernel_taps(const at::Tensor& d_kernel, const at::Tensor& d_gates, const at::Tensor& taps);

 private:
  // Calls visit(block of gates, block of hidden) for every pair that this tap connects.
  template <class Visit>
  void for_each_pair(std::int64_t tap, Visit visit) const;
  at::Tensor channels(const at::Tensor& hidden, std::int64_t block) const { return hidden.narrow(1, block * size_, size_); }
  at::Tensor columns(const at::Tensor& gates, std::int64_t block) const { return gates.narrow(1, block * 4 * size_, 4 * size_); }
  at::Tensor rows(const at::Tensor& kernel, std::int64_t block, std::int64_t tap) const {
    return kernel.narrow(0, block * 4 * size_, 4 * size_).select(1, tap);
  }

  bool grouped_;
  std::int64_t blocks_, size_, taps_;  // size_: channels of a block
  at::Tensor scratch_;                 // of multiply_into
};

}  // namespace trellis
