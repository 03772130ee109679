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
// Where a group of ranks holds the vocabulary together (plan/vocabulary_stripes.h), a rank has its own rows of the tensors
// that have one a word, embedding and decoder_bias, and everything else whole. These two come first.
//
// The gains come last: a gradient buffer holds, before EffectiveKernels::backward, the gradient of the *effective* kernels in the
// place of the raw ones and nothing for the gains, so that a prefix of it is all that ranks have to sum.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <string_view>
#include <vector>

#include "plan/trellis_shape.h"
#include "plan/vocabulary_stripes.h"

namespace trellis {

struct ParameterInfo {
  std::string name;
  std::vector<std::int64_t> shape;      // in memory
  std::vector<std::int64_t> published;  // under which others know it: of the whole tensor
  std::int64_t offset = 0;              // elements from the start of the flat buffer
  std::int64_t count = 0;               // elements in memory
  std::int64_t parameters = 0;          // of the model in the whole tensor: W2 of a mixed group convolution has zeros beside them
  enum class Rows { plain, gates, kernel, grouped_kernel } rows = Rows::plain;
  bool striped = false;                 // one row a word: held by stripes, which are whole in a group of one rank
  bool is_kernel() const { return rows == Rows::kernel || rows == Rows::grouped_kernel; }
  // Shape in the memory of a rank that holds all of it.
  const std::vector<std::int64_t>& whole() const { return striped ? published : shape; }
};

// Rows of a whole tensor that a rank holds, and their rows in its memory: equally many.
struct RowPiece {
  Range whole, memory;
  bool operator==(const RowPiece&) const = default;
};

class ParameterLayout {
 public:
  // All words on one rank.
  explicit ParameterLayout(const TrellisShape& shape);
  // Those that the rank at `place` of its group owns. `stripes` are of the shape's vocabulary and cutoffs, else InternalError;
  // a classifier has none.
  ParameterLayout(const TrellisShape& shape, VocabularyStripes stripes, int place);

  const std::vector<ParameterInfo>& parameters() const { return parameters_; }
  const ParameterInfo& find(std::string_view name) const;  // throws InternalError if there is none
  bool contains(std::string_view name) const;
  std::int64_t flat_size() const { return flat_size_; }        // elements, with the padding between tensors
  std::int64_t reduced_size() const { return reduced_size_; }  // the prefix without the gains
  std::int64_t striped_size() const { return striped_size_; }  // the prefix that is held by stripes; 0 for a classifier
  std::int64_t count() const;                                  // parameters of the model, whatever this rank holds of them

  const VocabularyStripes& stripes() const { return stripes_; }
  int place() const { return place_; }
  bool whole() const { return stripes_.ranks() == 1; }
  // What this rank holds of a tensor, rows as in ParameterInfo::whole(): a striped one cluster by cluster, none of them empty.
  std::vector<RowPiece> pieces(const ParameterInfo& info) const;

  // One tensor of this layout from its shape in memory to its published shape, and back; either may share the argument's
  // memory. `in_memory` leaves out what a mixed group convolution has no place for, and words that are not this rank's;
  // `published` of a tensor of which this rank has stripes only throws InternalError.
  at::Tensor published(const ParameterInfo& info, const at::Tensor& memory) const;
  at::Tensor in_memory(const ParameterInfo& info, const at::Tensor& published) const;

 private:
  void add(std::string name, std::vector<std::int64_t> shape);
  void add_striped(std::string name, std::vector<std::int64_t> whole);
  void add_rows(std::string name, std::vector<std::int64_t> published);
  void add_kernel(std::string name, std::int64_t channels, bool grouped);
  void append(ParameterInfo info);

  std::int64_t blocks_, block_channels_, taps_;
  std::vector<ParameterInfo> parameters_;
  std::int64_t flat_size_ = 0, reduced_size_ = 0, striped_size_ = 0;
  VocabularyStripes stripes_;
  int place_;
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
  // Takes the values of a tensor in published shape, the whole one.
  void assign(std::string_view name, const at::Tensor& published);

 private:
  ParameterLayout layout_;
  at::Tensor flat_;
};

}  // namespace trellis
