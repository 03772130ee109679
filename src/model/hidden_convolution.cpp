#include "model/hidden_convolution.h"

namespace trellis {

HiddenConvolution::HiddenConvolution(const TrellisShape& shape)
    : grouped_(shape.groups > 0), blocks_(shape.blocks()), size_(shape.block_channels()), taps_(shape.kernel) {}

template <class Visit>
void HiddenConvolution::for_each_pair(std::int64_t tap, Visit visit) const {
  const std::int64_t below = grouped_ && tap == taps_ - 1 ? 1 : 0;
  for (std::int64_t block = below; block < blocks_; ++block) visit(block, block - below);
}

void HiddenConvolution::forward(const at::Tensor& gates, const at::Tensor& hidden, const at::Tensor& kernel, std::int64_t tap,
                                Accumulate accumulate) const {
  require(accumulate == Accumulate::add || !grouped_ || tap < taps_ - 1, "the last tap of a mixed group convolution leaves gates out");
  for_each_pair(tap, [&](std::int64_t to, std::int64_t from) {
    multiply(columns(gates, to), channels(hidden, from), rows(kernel, to, tap).t(), accumulate);
  });
}

void HiddenConvolution::backward_hidden(const at::Tensor& d_hidden, const at::Tensor& d_gates, const at::Tensor& kernel, std::int64_t tap,
                                        Accumulate accumulate) const {
  const bool last_feeds_nothing = grouped_ && tap == taps_ - 1;
  if (last_feeds_nothing && accumulate == Accumulate::overwrite) channels(d_hidden, blocks_ - 1).zero_();
  for_each_pair(tap, [&](std::int64_t to, std::int64_t from) {
    multiply(channels(d_hidden, from), columns(d_gates, to), rows(kernel, to, tap), accumulate);
  });
}

void HiddenConvolution::backward_kernel(const at::Tensor& d_kernel, const at::Tensor& d_gates, const at::Tensor& hidden,
                                        std::int64_t tap) {
  for_each_pair(tap, [&](std::int64_t to, std::int64_t from) {
    multiply_into(rows(d_kernel, to, tap), columns(d_gates, to).t(), channels(hidden, from), Accumulate::add, scratch_);
  });
}

void HiddenConvolution::forward_taps(const at::Tensor& gates, const at::Tensor& taps, const at::Tensor& kernel, Accumulate accumulate) const {
  if (!grouped_) {
    multiply(gates, taps.flatten(1), kernel.flatten(1).t(), accumulate);
    return;
  }
  for (std::int64_t tap = 0; tap < taps_; ++tap) {
    forward(gates, taps.select(1, tap), kernel, tap, tap == 0 ? accumulate : Accumulate::add);
  }
}

void HiddenConvolution::backward_taps(const at::Tensor& d_taps, const at::Tensor& d_gates, const at::Tensor& kernel) const {
  if (!grouped_) {
    multiply(d_taps.flatten(1), d_gates, kernel.flatten(1), Accumulate::overwrite);
    return;
  }
  for (std::int64_t tap = 0; tap < taps_; ++tap) backward_hidden(d_taps.select(1, tap), d_gates, kernel, tap, Accumulate::overwrite);
}

void HiddenConvolution::backward_kernel_taps(const at::Tensor& d_kernel, const at::Tensor& d_gates, const at::Tensor& taps) {
  if (!grouped_) {
    multiply_into(d_kernel.flatten(1), d_gates.t(), taps.flatten(1), Accumulate::add, scratch_);
    return;
  }
  for (std::int64_t tap = 0; tap < taps_; ++tap) backward_kernel(d_kernel, d_gates, taps.select(1, tap), tap);
}

}  // namespace trellis
