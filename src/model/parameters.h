// All parameters of a network, or all gradients, or an optimizer's averages, in one flat buffer with a named view each.
//
// Names and published shapes are the field's (and those of the parity files):
//   embedding [V, E]  decoder_bias [V]  cluster_weight [C, O]  cluster_bias [C]  bias [4H]
//   W1 [4H, E, k]  W2 [4H, H, k];  with weight normalisation W1_v, W1_g [4H, 1, 1], W2_v, W2_g instead
// In memory a kernel lies as [4H, k, channels], so that each tap is a matrix and each row is contiguous.
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
  std::vector<std::int64_t> shape;  // in memory
  std::int64_t offset = 0;          // elements from the start of the flat buffer
  std::int64_t count = 0;
  bool kernel = false;              // published as [rows, channels, taps]
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

 private:
  void add(std::string name, std::vector<std::int64_t> shape, bool kernel = false);

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
  // The tensor in its published shape: a strided view of the same memory.
  at::Tensor published(std::string_view name) const;

 private:
  ParameterLayout layout_;
  at::Tensor flat_;
};

}  // namespace trellis
