// Updates of one flat buffer of parameters, in LibTorch's arithmetic: SGD and Adam with coupled L2 weight decay, added
// after the gradient has been scaled by the clipping factor. Adam: Kingma and Ba 2015.
#pragma once

#include <cstdint>

namespace trellis {

template <class T>
struct SgdUpdate {
  T* weights = nullptr;
  const T* gradient = nullptr;
  T gradient_scale = 1;  // clipping factor
  T weight_decay = 0, learning_rate = 0;
};

template <class T>
struct AdamUpdate {
  T* weights = nullptr;
  const T* gradient = nullptr;
  T* mean = nullptr;      // running mean of the gradient
  T* variance = nullptr;  // running mean of its square
  T gradient_scale = 1, weight_decay = 0;
  T beta2 = 0;
  T beta1_complement = 1, beta2_complement = 1;  // 1 - beta, taken in double: 1 - 0.999f is wrong in its fifth digit
  T step_size = 0;            // learning rate / (1 - beta1^step)
  T variance_correction = 1;  // sqrt(1 - beta2^step)
  T epsilon = 0;
};

}  // namespace trellis
