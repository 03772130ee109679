#include "model/striped_cross_entropy.h"

#include "model/launch.h"
#include "model/tensor_functions.h"

namespace trellis {
namespace {

void cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& loss, const at::Tensor& scale) {
  const std::int64_t classes = logits.size(1);
  with_element_type(logits.scalar_type(), [&]<class T>() {
    const CrossEntropy<T> args{.classes = classes,
                               .stride = logits.stride(0),
                               .logits = logits.mutable_data_ptr<T>(),
                               .targets = targets.const_data_ptr<std::int64_t>(),
                               .loss = loss.mutable_data_ptr<double>(),
                               .scale = const_data<T>(scale)};
    launch(logits.device(), kernels_for<T>(logits.device()).cross_entropy, args, {0, logits.size(0)}, grain_for(4 * classes));
  });
}

void statistics(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& numbers, bool keep_exponentials) {
  const std::int64_t classes = logits.size(1);
  with_element_type(logits.scalar_type(), [&]<class T>() {
    const SoftmaxStatistics<T> args{.classes = classes,
                                    .stride = logits.stride(0),
                                    .logits = logits.mutable_data_ptr<T>(),
                                    .targets = targets.const_data_ptr<std::int64_t>(),
                                    .numbers = numbers.mutable_data_ptr<double>(),
                                    .keep_exponentials = keep_exponentials};
    launch(logits.device(), kernels_for<T>(logits.device()).softmax_statistics, args, {0, logits.size(0)}, grain_for(4 * classes));
  });
}

void gradient(const at::Tensor& exponentials, const at::Tensor& targets, const at::Tensor& numbers, const at::Tensor& log_normaliser,
              const at::Tensor& scale) {
  const std::int64_t classes = exponentials.size(1);
  with_element_type(exponentials.scalar_type(), [&]<class T>() {
    const SoftmaxGradient<T> args{.classes = classes,
                                  .stride = exponentials.stride(0),
                                  .exponentials = exponentials.mutable_data_ptr<T>(),
                                  .targets = targets.const_data_ptr<std::int64_t>(),
                                  .numbers = numbers.const_data_ptr<double>(),
                                  .log_normaliser = log_normaliser.const_data_ptr<double>(),
                                  .scale = scale.const_data_ptr<T>()};
    launch(exponentials.device(), kernels_for<T>(exponentials.device()).softmax_gradient, args, {0, exponentials.size(0)}, grain_for(classes));
  });
}

}  // namespace

StripedCrossEntropy::StripedCrossEntropy(const ProcessGroup* group, std::int64_t max_rows, at::TensorOptions options) : group_(group) {
  if (!group) return;
  numbers_ = at::empty({max_rows, kSoftmaxNumbers}, options.dtype(at::kDouble));
  all_numbers_ = at::empty({group->size() * max_rows, kSoftmaxNumbers}, options.dtype(at::kDouble));
}

void StripedCrossEntropy::begin(const at::Tensor& logits, const at::Tensor& targets, bool with_gradient) {
  logits_ = logits;
  targets_ = targets;
  if (!group_) return;
  const std::int64_t rows = logits.size(0);
  const at::Tensor own = numbers_.narrow(0, 0, rows);
  statistics(logits, targets, own, with_gradient);
  under_way_ = group_->start_all_gather(all_numbers_.narrow(0, 0, group_->size() * rows), own);
}

void StripedCrossEntropy::end(const at::Tensor& loss, const at::Tensor& scale) {
  if (!group_) {
    cross_entropy(logits_, targets_, loss, scale);
    return;
  }
  under_way_.wait();
  const std::int64_t rows = logits_.size(0);
  const at::Tensor all = all_numbers_.narrow(0, 0, group_->size() * rows).view({group_->size(), rows, kSoftmaxNumbers});
  const at::Tensor largest = all.select(2, 0), sums = all.select(2, 1), at_target = all.select(2, 2);
  // relative to the largest of all ranks, and in rank order: the same bits on every rank
  const at::Tensor top = largest.amax(0);
  const at::Tensor log_normaliser = logarithm_((sums * exponential_((largest - top).contiguous())).sum(0)).add_(top);
  at::Tensor result = loss;
  at::sub_out(result, log_normaliser, at_target.sum(0));
  if (scale.defined()) gradient(logits_, targets_, numbers_, log_normaliser, scale);
}

}  // namespace trellis
