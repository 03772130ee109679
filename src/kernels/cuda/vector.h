// Several elements at once: 16 bytes a load or store, which is what a GPU's memory wants.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "kernels/cuda/arithmetic.h"

namespace trellis::cuda {

// Elements of a 16-byte vector.
template <class A>
inline constexpr int kVector = 16 / static_cast<int>(sizeof(A));

// Whether vectors can be used: null or on a 16-byte boundary.
inline bool aligned(std::initializer_list<const void*> pointers) {
  for (const void* pointer : pointers) {
    if (reinterpret_cast<std::uintptr_t>(pointer) % 16 != 0) return false;
  }
  return true;
}

template <class A, int N>
struct alignas(N * sizeof(A) < 16 ? N * sizeof(A) : 16) Pack {
  A values[N];
};

// values[0..N) = memory[0..N), widened. With N > 1 memory must lie on a boundary of 16 bytes, or of N elements if that is less.
template <int N, class A>
TRELLIS_HOST_DEVICE inline void load(const A* memory, Compute<A> (&values)[N]) {
  const Pack<A, N> pack = *reinterpret_cast<const Pack<A, N>*>(memory);
  for (int n = 0; n < N; ++n) values[n] = widened(pack.values[n]);
}

template <int N, class A>
TRELLIS_HOST_DEVICE inline void store(A* memory, const Compute<A> (&values)[N]) {
  Pack<A, N> pack;
  for (int n = 0; n < N; ++n) pack.values[n] = rounded<A>(values[n]);
  *reinterpret_cast<Pack<A, N>*>(memory) = pack;
}

template <int N, class A>
TRELLIS_HOST_DEVICE inline void copy(const A* from, A* to) {
  *reinterpret_cast<Pack<A, N>*>(to) = *reinterpret_cast<const Pack<A, N>*>(from);
}

}  // namespace trellis::cuda
