// Updates of one flat buffer of parameters, in LibTorch's arithmetic: SGD and Adam with coupled L2 weight decay, added
// after the gradient has been scaled by the clipping factor. Adam: Kingma and Ba 2015. LAMB: You et al. 2020
// (arXiv:1904.00962, algorithm 2); which of its tensors are decayed is told in optimizer/lamb.h.
//
// The clipping factor is read where the kernel runs, so that nobody waits for it. NaN stands for a gradient that cannot be used:
// then neither weights nor moments change.
#pragma once

#include <cstdint>

namespace trellis {

template <class T>
struct SgdUpdate {
  T* weights = nullptr;
  const T* gradient = nullptr;
  const double* gradient_scale = nullptr;  // clipping factor
  T weight_decay = 0, learning_rate = 0;
};

template <class T>
struct AdamUpdate {
  T* weights = nullptr;
  const T* gradient = nullptr;
  T* mean = nullptr;      // running mean of the gradient
  T* variance = nullptr;  // running mean of its square
  const double* gradient_scale = nullptr;
  T weight_decay = 0;
  T beta2 = 0;
  T beta1_complement = 1, beta2_complement = 1;  // 1 - beta, taken in double: 1 - 0.999f is wrong in its fifth digit
  T step_size = 0;            // learning rate / (1 - beta1^step)
  T variance_correction = 1;  // sqrt(1 - beta2^step)
  T epsilon = 0;
};

// A contiguous part of one tensor, at most kNormBlock elements: what a sum of squares is taken over, whatever the threads.
struct LambBlock {
  std::int64_t begin = 0, end = 0;  // elements of the flat buffer
  std::int64_t tensor = 0;
};

struct LambTensor {
  std::int64_t first_block = 0, end_block = 0;
  bool decayed = true;  // whether weight decay is part of its direction
};

// One update is three kernels in this order, each over its own range:
//   lamb_moments  blocks   mean and variance as Adam's, then the sums of squares of weights and direction of each block
//   lamb_trust    tensors  trust = ||weights|| / ||direction||, 1 where either is zero
//   lamb_apply    blocks   weights -= learning_rate * trust * direction
// The direction (mean / correction) / (sqrt(variance) / correction + epsilon) + weight_decay * weights is computed twice
// and never stored. Sums are in double and in the order of elements and blocks.
template <class T>
struct LambUpdate {
  T* weights = nullptr;
  const T* gradient = nullptr;
  T* mean = nullptr;
  T* variance = nullptr;
  const LambBlock* blocks = nullptr;    // tiling the parameters, tensor after tensor; padding is in none
  const LambTensor* tensors = nullptr;
  double* weight_sums = nullptr;     // [blocks], sums of squares
  double* direction_sums = nullptr;  // [blocks]
  double* trust = nullptr;           // [tensors]
  const double* gradient_scale = nullptr;
  T weight_decay = 0;
  T beta2 = 0;
  T beta1_complement = 1, beta2_complement = 1;  // as Adam's
  T mean_correction = 1;      // 1 / (1 - beta1^step)
  T variance_correction = 1;  // sqrt(1 - beta2^step)
  T epsilon = 0, learning_rate = 0;
};

}  // namespace trellis
