// Softmax and cross entropy of rows of logits whose classes may lie with several ranks (kernels/cross_entropy.h and
// kernels/softmax_stripes.h). In two halves, between which the ranks' numbers travel - three a row - so that a caller can
// compute the next rows' logits meanwhile:
//
//   entropy.begin(logits, targets, true);    // nothing but this rank's classes
//   ...
//   entropy.end(loss, scale);                // logits have become their gradient
//
// All ranks of the group call begin for the same rows, in the same order.
#pragma once

#include <ATen/ATen.h>

#include "comm/process_group.h"

namespace trellis {

class StripedCrossEntropy {
 public:
  // group: null if all classes are here. max_rows: the most that begin will see.
  StripedCrossEntropy(const ProcessGroup* group, std::int64_t max_rows, at::TensorOptions options);

  // logits [rows, classes], each row contiguous, perhaps without any class; targets [rows] int64 on the device, the class, or -1 where
  // it lies with another rank. with_gradient: end will be asked for it.
  void begin(const at::Tensor& logits, const at::Tensor& targets, bool with_gradient);
  // loss [rows] float64: -log p(target), overwritten. scale [rows] if begin was told so: logits become scale (softmax - one hot).
  void end(const at::Tensor& loss, const at::Tensor& scale);

 private:
  const ProcessGroup* group_;
  at::Tensor numbers_, all_numbers_;  // [max_rows, 3], [ranks * max_rows, 3] float64
  at::Tensor logits_, targets_;       // between begin and end
  Pending under_way_;
};

}  // namespace trellis
