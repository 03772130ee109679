// Embedding lookup on a GPU (kernels/embedding.h), and its gradient without atomics: the first row of a word sums up all of
// the word's rows in their order, so the sum is reproducible, and the same as the specification's.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/embedding.h"

namespace trellis::cuda {

template <int N, class A>
struct EmbeddingForwardBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  using T = Compute<A>;
  EmbeddingForward<A> k;
  std::int64_t first_row, items;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t item = number * kThreads + thread;
      if (item >= items) return;
      const Division in_row = divide(item, k.channels / N);
      const std::int64_t row = first_row + in_row.quotient, channel = in_row.rest * N, token = k.tokens[row];
      T values[N], mask[N];
      load<N>(k.table + token * k.channels + channel, values);
      if (k.word_mask) {
        const T factor = k.word_mask[token];
        for (int n = 0; n < N; ++n) values[n] *= factor;
      }
      if (k.input_mask) {
        load<N>(k.input_mask + divide(row, k.lanes).rest * k.channels + channel, mask);
        for (int n = 0; n < N; ++n) values[n] *= mask[n];
      }
      store<N>(k.values + row * k.channels + channel, values);
    });
  }
};

// A block a row and chunk of channels, one a thread. Rows are searched for the row's word kThreads at a time: which of them
// have it is noted in bits, so that the few that do are found at once. Reads rows x rows tokens, all from the cache.
template <class A>
struct EmbeddingBackwardBody {
  static constexpr int kThreads = cuda::kThreads, kWords = kThreads / 32;
  using T = Compute<A>;
  struct Shared {
    unsigned char same[kThreads];
    std::uint32_t bits[kWords];
    T sum[kThreads];
  };
  EmbeddingBackward<A> k;
  Range channels;
  std::int64_t chunks;

  // Bits of which rows of [first, first + kThreads), below `end`, have this token.
  template <class Block>
  TRELLIS_HOST_DEVICE void find(Block& block, std::int64_t token, std::int64_t first, std::int64_t end, Shared& shared) const {
    block.each([&](int thread) { shared.same[thread] = first + thread < end && k.tokens[first + thread] == token; });
    block.each([&](int thread) {
      if (thread >= kWords) return;
      std::uint32_t word = 0;
      for (int n = 0; n < 32; ++n) word |= static_cast<std::uint32_t>(shared.same[thread * 32 + n]) << n;
      shared.bits[thread] = word;
    });
  }

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared& shared) const {
    const Division place = divide(number, chunks);
    const std::int64_t own_row = place.quotient, base = channels.begin + place.rest * kThreads, token = k.tokens[own_row];
    for (std::int64_t first = 0; first < own_row; first += kThreads) {
      find(block, token, first, own_row, shared);
      for (int word = 0; word < kWords; ++word) {
        if (shared.bits[word] != 0) return;  // all threads of the block alike: an earlier row sums up this word
      }
    }
    const T factor = k.word_mask ? k.word_mask[token] : T(1);
    block.each([&](int thread) {
      if (base + thread < channels.end) shared.sum[thread] = k.d_table[token * k.channels + base + thread];
    });
    for (std::int64_t first = own_row; first < k.rows; first += kThreads) {
      find(block, token, first, k.rows, shared);
      block.each([&](int thread) {
        const std::int64_t channel = base + thread;
        if (channel >= channels.end) return;
        T sum = shared.sum[thread];
        for (int word = 0; word < kWords; ++word) {
          std::int64_t row = first + word * 32;
          for (std::uint32_t bits = shared.bits[word]; bits != 0; bits >>= 1, ++row) {
            if ((bits & 1) == 0) continue;
            T gradient = widened(k.d_values[row * k.channels + channel]) * factor;
            if (k.input_mask) gradient *= k.input_mask[divide(row, k.lanes).rest * k.channels + channel];
            sum += gradient;
          }
        }
        shared.sum[thread] = sum;
      });
    }
    block.each([&](int thread) {
      if (base + thread < channels.end) k.d_table[token * k.channels + base + thread] = shared.sum[thread];
    });
  }
};

template <class Device, class A>
void embedding_forward(const EmbeddingForward<A>& k, Range rows, void* stream) {
  constexpr int N = kVector<A>;
  if (k.channels % N == 0 && aligned({k.table, k.input_mask, k.values})) {
    const std::int64_t items = rows.size() * (k.channels / N);
    Device::run(EmbeddingForwardBody<N, A>{k, rows.begin, items}, blocks_for(items), stream);
  } else {
    const std::int64_t items = rows.size() * k.channels;
    Device::run(EmbeddingForwardBody<1, A>{k, rows.begin, items}, blocks_for(items), stream);
  }
}

template <class Device, class A>
void embedding_backward(const EmbeddingBackward<A>& k, Range channels, void* stream) {
  const std::int64_t chunks = blocks_for(channels.size(), EmbeddingBackwardBody<A>::kThreads);
  Device::run(EmbeddingBackwardBody<A>{k, channels, chunks}, k.rows * chunks, stream);
}

}  // namespace trellis::cuda
