// Dropout masks on a GPU: a thread draws four words, the same as on a CPU (plan/random.h).
#pragma once

#include "kernels/cuda/block.h"
#include "plan/random.h"

namespace trellis::cuda {

template <class T>
struct DropoutMaskBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  T* mask;
  RandomStream stream;
  std::uint64_t threshold;
  T scale;
  Range elements;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t group = elements.begin / 4 + number * kThreads + thread;
      if (group * 4 >= elements.end) return;
      std::uint32_t words[4] = {};
      stream.draw(static_cast<std::uint64_t>(group), words);
      for (int word = 0; word < 4; ++word) {
        const std::int64_t element = group * 4 + word;
        if (element < elements.begin || element >= elements.end) continue;
        mask[element - elements.begin] = words[word] < threshold ? T(0) : scale;
      }
    });
  }
};

template <class Device, class T>
void dropout_mask(T* mask, const RandomStream& random, std::uint64_t threshold, T scale, Range elements, void* stream) {
  if (elements.empty()) return;
  const std::int64_t groups = (elements.end + 3) / 4 - elements.begin / 4;
  Device::run(DropoutMaskBody<T>{mask, random, threshold, scale, elements}, blocks_for(groups), stream);
}

}  // namespace trellis::cuda
