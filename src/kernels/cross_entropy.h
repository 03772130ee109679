// Softmax and cross entropy over rows of logits, with the gradient in the logits' own memory: logits live from the GEMM
// that makes them to the GEMMs that use their gradient.
#pragma once

#include <cstdint>

namespace trellis {

template <class T>
struct CrossEntropy {
  std::int64_t classes = 0;
  std::int64_t stride = 0;                // elements from one row to the next
  T* logits = nullptr;                    // in: logits [rows, classes]; out: gradient, if asked for
  const std::int64_t* targets = nullptr;  // [rows], each in [0, classes)
  double* loss = nullptr;                 // out [rows], nats: log sum exp - logit of the target
  const T* scale = nullptr;               // [rows]: gradient = scale (softmax - one hot); null: logits are left alone
};

}  // namespace trellis
