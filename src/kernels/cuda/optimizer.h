// Updates on a GPU (kernels/optimizer_update.h): one pass over the buffers, a thread updates N neighbouring elements.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/optimizer_update.h"

namespace trellis::cuda {

template <class T>
TRELLIS_HOST_DEVICE inline void update_element(const SgdUpdate<T>& k, T scale, T& weight, T gradient) {
  weight -= k.learning_rate * (scale * gradient + k.weight_decay * weight);
}

template <class T>
TRELLIS_HOST_DEVICE inline void update_element(const AdamUpdate<T>& k, T scale, T& weight, T gradient, T& mean, T& variance) {
  const T d = scale * gradient + k.weight_decay * weight;
  mean += k.beta1_complement * (d - mean);
  variance = k.beta2 * variance + k.beta2_complement * d * d;
  weight -= k.step_size * mean / (square_root(variance) / k.variance_correction + k.epsilon);
}

template <int N, class T>
struct SgdUpdateBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  SgdUpdate<T> k;
  Range elements;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    const T scale = static_cast<T>(*k.gradient_scale);
    if (scale != scale) return;
    block.each([&](int thread) {
      const std::int64_t at = elements.begin + (number * kThreads + thread) * N;
      if (at >= elements.end) return;
      T weights[N], gradient[N];
      load<N>(k.weights + at, weights);
      load<N>(k.gradient + at, gradient);
      for (int n = 0; n < N; ++n) update_element(k, scale, weights[n], gradient[n]);
      store<N>(k.weights + at, weights);
    });
  }
};

template <int N, class T>
struct AdamUpdateBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  AdamUpdate<T> k;
  Range elements;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    const T scale = static_cast<T>(*k.gradient_scale);
    if (scale != scale) return;
    block.each([&](int thread) {
      const std::int64_t at = elements.begin + (number * kThreads + thread) * N;
      if (at >= elements.end) return;
      T weights[N], gradient[N], mean[N], variance[N];
      load<N>(k.weights + at, weights);
      load<N>(k.gradient + at, gradient);
      load<N>(k.mean + at, mean);
      load<N>(k.variance + at, variance);
      for (int n = 0; n < N; ++n) update_element(k, scale, weights[n], gradient[n], mean[n], variance[n]);
      store<N>(k.weights + at, weights);
      store<N>(k.mean + at, mean);
      store<N>(k.variance + at, variance);
    });
  }
};

// Runs Body<N> over whole vectors of the range, and Body<1> over what is left of it.
template <class Device, template <int, class> class Body, class T, class K>
void run_updates(const K& k, Range elements, bool in_vectors, void* stream) {
  constexpr int N = kVector<T>;
  std::int64_t vectors_end = elements.begin;
  if (in_vectors && elements.begin % N == 0) vectors_end += elements.size() / N * N;
  if (vectors_end > elements.begin) {
    Device::run(Body<N, T>{k, {elements.begin, vectors_end}}, blocks_for((vectors_end - elements.begin) / N), stream);
  }
  if (vectors_end < elements.end) Device::run(Body<1, T>{k, {vectors_end, elements.end}}, blocks_for(elements.end - vectors_end), stream);
}

template <class Device, class T>
void sgd_update(const SgdUpdate<T>& k, Range elements, void* stream) {
  run_updates<Device, SgdUpdateBody, T>(k, elements, aligned({k.weights, k.gradient}), stream);
}

template <class Device, class T>
void adam_update(const AdamUpdate<T>& k, Range elements, void* stream) {
  run_updates<Device, AdamUpdateBody, T>(k, elements, aligned({k.weights, k.gradient, k.mean, k.variance}), stream);
}

}  // namespace trellis::cuda
