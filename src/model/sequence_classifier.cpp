#include "model/sequence_classifier.h"

#include <algorithm>

#include "base/time_span.h"
#include "model/launch.h"
#include "model/tensor_functions.h"

namespace trellis {

SequenceClassifier::SequenceClassifier(const TrellisShape& shape, std::int64_t steps, std::int64_t max_lanes, Keep keep,
                                       at::TensorOptions options, std::optional<at::ScalarType> activations)
    : shape_(shape), steps_(steps), options_(options), kernels_(activations), stack_(shape, steps, max_lanes, keep, options, activations) {
  shape.validate();
}

at::Tensor SequenceClassifier::forward(const Parameters& weights, const LabelledSequences& batch, const DropoutMasks& masks) {
  expect_shape("input", batch.input, {steps_ * batch.lanes, shape_.embedding});
  expect_shape("labels", batch.labels, {batch.lanes});
  const std::int64_t* const labels = batch.labels.const_data_ptr<std::int64_t>();
  require(std::all_of(labels, labels + batch.lanes, [&](std::int64_t label) { return 0 <= label && label < shape_.outputs; }),
          "labels lie within the classes");
  stack_.forward(batch.lanes, masks.input.defined() ? batch.input * masks.input : batch.input, masks.hidden, kernels_.compute(weights, masks));
  const TimeSpan timed("loss");
  at::Tensor logits = at::addmm(weights.view("linear_bias"), stack_.output(), weights.view("linear_weight").t());
  if (const at::Tensor mask = DropoutMasks::of(masks.outputs, 0); mask.defined()) logits.mul_(mask);
  log_probabilities_ = log_softmax(logits);
  labels_ = on_device(batch.labels, logits.device());
  const at::Tensor of_label = log_probabilities_.gather(1, labels_.view({-1, 1}));
  return at::stack({of_label.to(at::kDouble).sum().neg_(), log_probabilities_.argmax(1).eq(labels_).sum().to(at::kDouble)});
}

at::Tensor SequenceClassifier::forward_backward(const Parameters& weights, const LabelledSequences& batch, const DropoutMasks& masks,
                                                std::int64_t all_sequences, Parameters& gradients) {
  gradients.flat().zero_();
  if (batch.lanes == 0) return no_sums();
  const at::Tensor sums = forward(weights, batch, masks);
  at::Tensor d_logits = exponential_(log_probabilities_.clone());
  d_logits.scatter_add_(1, labels_.view({-1, 1}), at::full({batch.lanes, 1}, -1, d_logits.options()));
  d_logits.mul_(1.0 / static_cast<double>(all_sequences));
  if (const at::Tensor mask = DropoutMasks::of(masks.outputs, 0); mask.defined()) d_logits.mul_(mask);
  multiply(gradients.view("linear_weight"), d_logits.t(), stack_.output(), Accumulate::overwrite);
  add_column_sums(gradients.view("linear_bias"), d_logits);
  multiply(stack_.d_output(), d_logits, weights.view("linear_weight"), Accumulate::overwrite);
  stack_.backward(kernels_.kernels(), EffectiveKernels::gradients_of(gradients));
  return sums;
}

void SequenceClassifier::finish_gradients(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients) {
  EffectiveKernels::backward(weights, masks, gradients);
}

at::Tensor SequenceClassifier::evaluate(const Parameters& weights, const LabelledSequences& batch) {
  return batch.lanes == 0 ? no_sums() : forward(weights, batch, {});
}

at::Tensor SequenceClassifier::no_sums() const { return at::zeros({ClassificationSums::kCount}, options_.dtype(at::kDouble)); }

}  // namespace trellis
