// A softmax whose classes lie with several ranks, in two kernels around what the ranks exchange: first each rank's largest
// logit, sum of exponentials and the target's logit over its own classes, then, with the normaliser of all ranks known, the
// gradient. Logits become exponentials and then gradients in their own memory.
#pragma once

#include <cstdint>

namespace trellis {

// Numbers of a row that one rank gives: log of the softmax's normaliser = log sum over ranks of sum * exp(largest).
inline constexpr std::int64_t kSoftmaxNumbers = 3;  // largest logit, sum of exp(logit - largest), logit of the target or 0

template <class T>
struct SoftmaxStatistics {
  std::int64_t classes = 0;               // of this rank; may be 0: then the largest is minus infinity and the sum 0
  std::int64_t stride = 0;                // elements from one row to the next
  T* logits = nullptr;                    // [rows, classes]
  const std::int64_t* targets = nullptr;  // [rows], in [0, classes) here, -1 elsewhere
  double* numbers = nullptr;              // out [rows, kSoftmaxNumbers]
  bool keep_exponentials = false;         // logits become exp(logit - largest), for the gradient
};

template <class T>
struct SoftmaxGradient {
  std::int64_t classes = 0, stride = 0;
  T* exponentials = nullptr;               // in: as kept above; out: gradient = scale (softmax - one hot)
  const std::int64_t* targets = nullptr;   // as above
  const double* numbers = nullptr;         // [rows, kSoftmaxNumbers] of this rank
  const double* log_normaliser = nullptr;  // [rows] over all ranks' classes
  const T* scale = nullptr;                // [rows]
};

}  // namespace trellis
