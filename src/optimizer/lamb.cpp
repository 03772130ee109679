#include "optimizer/lamb.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "comm/rank_sums.h"
#include "model/launch.h"
#include "plan/elementary.h"

namespace trellis {
namespace {

bool is_bias(const ParameterInfo& info) { return info.published.size() == 1; }
bool is_direction(const ParameterInfo& info) { return info.is_kernel() && info.name.ends_with("_v"); }

template <class T>
at::Tensor bytes_of(const std::vector<T>& values, at::Device device) {
  const at::Tensor bytes = at::empty({static_cast<std::int64_t>(values.size() * sizeof(T))}, at::kByte);
  std::memcpy(bytes.mutable_data_ptr(), values.data(), values.size() * sizeof(T));
  return bytes.to(device);
}

}  // namespace

Lamb::Lamb(const ParameterLayout& layout, at::TensorOptions options, VocabularyGroup group) : group_(group) {
  expect_group_of(layout, group);
  std::vector<LambBlock> blocks;
  std::vector<LambTensor> tensors;
  for (const ParameterInfo& info : layout.parameters()) {
    const auto first = static_cast<std::int64_t>(blocks.size()), end = info.offset + info.count;
    std::int64_t begin = info.offset;
    do {  // at least once: without a row of a striped tensor, a rank has yet a place for the sum over its group
      blocks.push_back({begin, std::min(end, begin + kNormBlock), static_cast<std::int64_t>(tensors.size())});
    } while ((begin += kNormBlock) < end);
    tensors.push_back({.first_block = first, .end_block = static_cast<std::int64_t>(blocks.size()),
                       .decayed = !is_bias(info) && !is_direction(info)});
    if (info.striped && !layout.whole()) striped_.push_back(tensors.back());
  }
  block_count_ = static_cast<std::int64_t>(blocks.size());
  tensor_count_ = static_cast<std::int64_t>(tensors.size());
  blocks_ = bytes_of(blocks, options.device());
  tensors_ = bytes_of(tensors, options.device());
  weight_sums_ = at::zeros({block_count_}, options.dtype(at::kDouble));
  direction_sums_ = at::zeros({block_count_}, options.dtype(at::kDouble));
  trust_ = at::ones({tensor_count_}, options.dtype(at::kDouble));
}

void Lamb::update(const OptimizerRule& rule, Parameters& weights, const Parameters& gradients, Parameters& mean, Parameters& variance,
                  const at::Tensor& gradient_scale, double learning_rate, std::int64_t step) {
  with_element_type(weights.flat().scalar_type(), [&]<class T>() {
    const LambUpdate<T> args{.weights = weights.flat().mutable_data_ptr<T>(),
                             .gradient = gradients.flat().const_data_ptr<T>(),
                             .mean = mean.flat().mutable_data_ptr<T>(),
                             .variance = variance.flat().mutable_data_ptr<T>(),
                             .blocks = static_cast<const LambBlock*>(blocks_.const_data_ptr()),
                             .tensors = static_cast<const LambTensor*>(tensors_.const_data_ptr()),
                             .weight_sums = weight_sums_.mutable_data_ptr<double>(),
                             .direction_sums = direction_sums_.mutable_data_ptr<double>(),
                             .trust = trust_.mutable_data_ptr<double>(),
                             .gradient_scale = gradient_scale.const_data_ptr<double>(),
                             .weight_decay = static_cast<T>(rule.weight_decay),
                             .beta2 = static_cast<T>(rule.beta2),
                             .beta1_complement = static_cast<T>(1 - rule.beta1),
                             .beta2_complement = static_cast<T>(1 - rule.beta2),
                             .mean_correction = static_cast<T>(1 / (1 - whole_power(rule.beta1, step))),
                             .variance_correction = static_cast<T>(std::sqrt(1 - whole_power(rule.beta2, step))),
                             .epsilon = static_cast<T>(rule.epsilon),
                             .learning_rate = static_cast<T>(learning_rate)};
    const auto& kernels = kernels_for<T>(weights.flat().device());
    launch(weights.flat().device(), kernels.lamb_moments, args, {0, block_count_}, 1);
    add_stripes();
    launch(weights.flat().device(), kernels.lamb_trust, args, {0, tensor_count_}, tensor_count_);
    launch(weights.flat().device(), kernels.lamb_apply, args, {0, block_count_}, 1);
  });
}

// lamb_trust adds a tensor's blocks, so the sum takes the place of the first and zeros those of the others.
void Lamb::add_stripes() {
  if (striped_.empty()) return;
  const auto blocks_of = [](const at::Tensor& sums, const LambTensor& tensor) {
    return sums.narrow(0, tensor.first_block, tensor.end_block - tensor.first_block);
  };
  std::vector<at::Tensor> own;
  for (const at::Tensor& sums : {weight_sums_, direction_sums_}) {
    for (const LambTensor& tensor : striped_) own.push_back(blocks_of(sums, tensor).sum());
  }
  const at::Tensor all = sum_over_ranks(group_, at::stack(own));
  std::int64_t next = 0;
  for (const at::Tensor& sums : {weight_sums_, direction_sums_}) {
    for (const LambTensor& tensor : striped_) {
      blocks_of(sums, tensor).zero_();
      sums.narrow(0, tensor.first_block, 1).copy_(all.narrow(0, next++, 1));
    }
  }
}

std::vector<double> Lamb::trust_ratios() const {
  const at::Tensor host = trust_.cpu();
  return {host.const_data_ptr<double>(), host.const_data_ptr<double>() + tensor_count_};
}

}  // namespace trellis
