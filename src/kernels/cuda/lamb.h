// LAMB on a GPU (kernels/optimizer_update.h): a block of threads for each LambBlock, a thread for each tensor; sums in float64
// and in a fixed order.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/optimizer_update.h"

namespace trellis::cuda {

template <class T>
TRELLIS_HOST_DEVICE inline T lamb_direction(const LambUpdate<T>& k, bool decayed, T weight, T mean, T variance) {
  const T adam = mean * k.mean_correction / (square_root(variance) / k.variance_correction + k.epsilon);
  return decayed ? adam + k.weight_decay * weight : adam;
}

template <class T>
struct LambMomentsBody {
  static constexpr int kThreads = 512;
  struct Shared {
    double weights[kThreads], directions[kThreads];
  };
  LambUpdate<T> k;
  std::int64_t first_block;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const T scale = static_cast<T>(*k.gradient_scale);
    if (scale != scale) return;
    const LambBlock part = k.blocks[first_block + number];
    const bool decayed = k.tensors[part.tensor].decayed;
    block.each([&](int thread) {
      double weight_sum = 0, direction_sum = 0;
      for (std::int64_t n = part.begin + thread; n < part.end; n += kThreads) {
        const T gradient = scale * k.gradient[n];
        const T mean = k.mean[n] + k.beta1_complement * (gradient - k.mean[n]);
        const T variance = k.beta2 * k.variance[n] + k.beta2_complement * gradient * gradient;
        k.mean[n] = mean;
        k.variance[n] = variance;
        const double weight = static_cast<double>(k.weights[n]);
        const double direction = static_cast<double>(lamb_direction(k, decayed, k.weights[n], mean, variance));
        weight_sum += weight * weight;
        direction_sum += direction * direction;
      }
      shared.weights[thread] = weight_sum;
      shared.directions[thread] = direction_sum;
    });
    reduce<kThreads>(block, [&](int into, int from) {
      shared.weights[into] += shared.weights[from];
      shared.directions[into] += shared.directions[from];
    });
    block.each([&](int thread) {
      if (thread != 0) return;
      k.weight_sums[first_block + number] = shared.weights[0];
      k.direction_sums[first_block + number] = shared.directions[0];
    });
  }
};

template <class T>
struct LambTrustBody {
  static constexpr int kThreads = 32;
  using Shared = NothingShared;
  LambUpdate<T> k;
  Range tensors;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t tensor = tensors.begin + number * kThreads + thread;
      if (tensor >= tensors.end) return;
      double weight_sum = 0, direction_sum = 0;
      for (std::int64_t b = k.tensors[tensor].first_block; b < k.tensors[tensor].end_block; ++b) {
        weight_sum += k.weight_sums[b];
        direction_sum += k.direction_sums[b];
      }
      k.trust[tensor] = weight_sum > 0 && direction_sum > 0 ? square_root(weight_sum / direction_sum) : 1.0;
    });
  }
};

template <class T>
struct LambApplyBody {
  static constexpr int kThreads = 512;
  using Shared = NothingShared;
  LambUpdate<T> k;
  std::int64_t first_block;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    if (*k.gradient_scale != *k.gradient_scale) return;
    const LambBlock part = k.blocks[first_block + number];
    const bool decayed = k.tensors[part.tensor].decayed;
    const T rate = static_cast<T>(static_cast<double>(k.learning_rate) * k.trust[part.tensor]);
    block.each([&](int thread) {
      for (std::int64_t n = part.begin + thread; n < part.end; n += kThreads) {
        k.weights[n] -= rate * lamb_direction(k, decayed, k.weights[n], k.mean[n], k.variance[n]);
      }
    });
  }
};

template <class Device, class T>
void lamb_moments(const LambUpdate<T>& k, Range blocks, void* stream) {
  Device::run(LambMomentsBody<T>{k, blocks.begin}, blocks.size(), stream);
}

template <class Device, class T>
void lamb_trust(const LambUpdate<T>& k, Range tensors, void* stream) {
  Device::run(LambTrustBody<T>{k, tensors}, blocks_for(tensors.size(), LambTrustBody<T>::kThreads), stream);
}

template <class Device, class T>
void lamb_apply(const LambUpdate<T>& k, Range blocks, void* stream) {
  Device::run(LambApplyBody<T>{k, blocks.begin}, blocks.size(), stream);
}

}  // namespace trellis::cuda
