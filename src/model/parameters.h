// All parameters of a network, or all gradients, or an optimizer's averages, in one flat buffer with a named view each.
//
// Names and published shapes are the field's (and those of the parity files):
//   embedding [V, E]  decoder_bias [V]  bias [4H]
//   W1 [4H, E, k]  W2 [4H, H, k];  with weight normalisation W1_v, W1_g [4H, 1, 1], W2_v, W2_g instead
//   adaptive softmax: cluster_weight [C, O]  cluster_bias [C]
//   mixture of softmaxes: prior_weight [K, O]  prior_bias [K]  latent_weight [K E, O]  latent_bias [K E]
//   classifier: linear_weight [O, O]  linear_bias [O], and neither embedding nor decoder_bias
// In memory a kernel lies as [4H, k, channels], so that each tap is a matrix and each row is contiguous, and the 4H rows of
// kernels, gains and bias lie as gates do (kernels/gates.h). With mixed group convolution W2 holds what is not zero by
// construction, [4H, k, H / groups]: the channels of the row's own group, for the last tap those of the group below; the
// first group has none below, so its rows' last tap is zero and no parameter.
//
// The gains come last: a gradient buffer holds, before finish_gradients, the gradient of the *effective* kernels in the
// place of the raw ones and nothing for the gains, so that a prefix of it is all that ranks have to sum.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <string_view>
#include <vector>

#include "model/trellis_shape.h"

namespace trellis {

struct ParameterInfo {
  std::string name;
  std::vector<std::int64_t> shape;      // in memory
  std::vector<std::int64_t> published;  // under which others know it
  std::int64_t offset = 0;              // elements from the start of the flat buffer
  std::int64_t count = 0;               // elements in memory
  std::int64_t parameters = 0;          // of them; fewer only for W2 of a mixed group convolution
  enum class Rows { plain, gates, kernel, grouped_kernel } rows = Rows::plain;
  bool is_kernel() const { return rows == Rows::kernel || rows == Rows::grouped_kernel; }
};

class ParameterLayout {
 public:
  explicit ParameterLayout(const TrellisShape& shape);

  const std::vector<ParameterInfo>& parameters() const { return parameters_; }
  const ParameterInfo& find(std::string_view name) const;  // throws InternalError if there is none
  bool contains(std::string_view name) const;
  std::int64_t flat_size() const { return flat_size_; }        // elements, with the padding between tensors
  std::int64_t reduced_size() const { return reduced_size_; }  // the prefix without the gains
  std::int64_t count() const;                                  // parameters of the model

  // One tensor of this layout from its shape in memory to its published shape, and back; either may share the argument's
  // memory. `in_memory` leaves out what a mixed group convolution has no place for.
  at::Tensor published(const ParameterInfo& info, const at::Tensor& memory) const;
  at::Tensor in_memory(const ParameterInfo& info, const at::Tensor& published) const;

 private:
  void add(std::string name, std::vector<std::int64_t> shape);
  void add_rows(std::string name, std::vector<std::int64_t> published);
  void add_kernel(std::string name, std::int64_t channels, bool grouped);
  void append(ParameterInfo info);

  std::int64_t blocks_, block_channels_, taps_;
  std::vector<ParameterInfo> parameters_;
  std::int64_t flat_size_ = 0, reduced_size_ = 0;
};

class Parameters {
 public:
  // All zero.
  Parameters(const ParameterLayout& layout, at::TensorOptions options);

  const ParameterLayout& layout() const { return layout_; }
  at::Tensor& flat() { return flat_; }
  const at::Tensor& flat() const { return flat_; }
  // The tensor in its shape in memory; an undefined tensor if the network has no such parameter.
  at::Tensor view(std::string_view name) const;
  // The tensor in its published shape, to read: it may or may not share this memory.
  at::Tensor published(std::string_view name) const;
  // Takes the values of a tensor in published shape.
  void assign(std::string_view name, const at::Tensor& published);

 private:
  ParameterLayout layout_;
  at::Tensor flat_;
};

}  // namespace trellis
