#include "comm/elementwise_reduce.h"

#include <algorithm>
#include <cstring>

#include "base/errors.h"

namespace trellis {
namespace {

struct Sum {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a + b);
  }
};
struct Max {
  template <class T>
  static T apply(T a, T b) {
    return a > b || a != a ? a : b;  // a != a: NaN
  }
};
struct Min {
  template <class T>
  static T apply(T a, T b) {
    return a < b || a != a ? a : b;
  }
};

// Blocks stay in the first-level cache. All sources of a block are read before it is written, so out may be a source.
template <class Op, class T>
void reduce_blocks(std::span<const std::byte* const> sources, std::byte* out, std::byte* copy, std::int64_t count) {
  constexpr std::int64_t kBlock = 8192 / sizeof(T);
  alignas(64) T sum[kBlock];
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const std::int64_t n = std::min(kBlock, count - begin);
    const auto block = [&](std::size_t source) { return reinterpret_cast<const T*>(sources[source]) + begin; };
    if (sources.size() == 1) {
      std::memcpy(sum, block(0), n * sizeof(T));
    } else {
      const T* first = block(0);
      const T* second = block(1);
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) sum[i] = Op::apply(first[i], second[i]);
    }
    for (std::size_t s = 2; s < sources.size(); ++s) {
      const T* next = block(s);
#pragma omp simd
      for (std::int64_t i = 0; i < n; ++i) sum[i] = Op::apply(sum[i], next[i]);
    }
    std::memcpy(reinterpret_cast<T*>(out) + begin, sum, n * sizeof(T));
    if (copy) std::memcpy(reinterpret_cast<T*>(copy) + begin, sum, n * sizeof(T));
  }
}

template <class T>
void reduce_typed(Reduction reduction, std::span<const std::byte* const> sources, std::byte* out, std::byte* copy,
                  std::int64_t count) {
  switch (reduction) {
    case Reduction::sum: return reduce_blocks<Sum, T>(sources, out, copy, count);
    case Reduction::max: return reduce_blocks<Max, T>(sources, out, copy, count);
    case Reduction::min: return reduce_blocks<Min, T>(sources, out, copy, count);
  }
}

}  // namespace

void reduce_in_order(at::ScalarType dtype, Reduction reduction, std::span<const std::byte* const> sources, std::byte* out,
                     std::byte* copy, std::int64_t count) {
  require(!sources.empty(), "reduce_in_order needs a source");
  switch (dtype) {
    case at::kFloat: return reduce_typed<float>(reduction, sources, out, copy, count);
    case at::kDouble: return reduce_typed<double>(reduction, sources, out, copy, count);
    case at::kLong: return reduce_typed<std::int64_t>(reduction, sources, out, copy, count);
    case at::kInt: return reduce_typed<std::int32_t>(reduction, sources, out, copy, count);
    case at::kByte: return reduce_typed<std::uint8_t>(reduction, sources, out, copy, count);
    case at::kBool:  // stored as bytes 0 and 1
      require(reduction != Reduction::sum, "bool tensors have no sum");
      return reduce_typed<std::uint8_t>(reduction, sources, out, copy, count);
    default: throw InternalError(std::string("no reduction of ") + c10::toString(dtype), "reduce_in_order", "");
  }
}

}  // namespace trellis
