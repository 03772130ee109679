// The fast CPU kernels. This file is compiled once for every instruction set (CMakeLists.txt), each time into a
// namespace of its own, TRELLIS_ISA; dispatch.cpp chooses. Nothing here may use templates or inline functions of other
// headers that could be emitted out of line: the linker would be free to keep the copy of the wrong instruction set.
#include <cstdint>
#include <type_traits>

#include "kernels/table.h"

namespace trellis::TRELLIS_ISA {
namespace {

// a b + c, rounded once where the instruction set has an instruction for it. The compiler itself fuses nothing
// (-ffp-contract=off), so that all of them give the same bits.
[[gnu::always_inline]] inline float multiply_add(float a, float b, float c) {
#ifdef __FMA__
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}
[[gnu::always_inline]] inline double multiply_add(double a, double b, double c) {
#ifdef __FMA__
  return __builtin_fma(a, b, c);
#else
  return a * b + c;
#endif
}

#include "plan/vector_math.h"

#include "kernels/cpu/interleaved_sum.h"
template <class T>
inline T widened(T value) {
  return value;
}
inline float widened(BFloat16 value) {
  const std::uint32_t bits = static_cast<std::uint32_t>(value.bits) << 16;
  float wide;
  __builtin_memcpy(&wide, &bits, sizeof wide);
  return wide;
}

// To nearest even; NaN stays NaN. By overloads, since a function template cannot be told apart by its result alone.
inline void store(float& into, float value) { into = value; }
inline void store(double& into, double value) { into = value; }
inline void store(BFloat16& into, float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  const std::uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  into.bits = static_cast<std::uint16_t>(value != value ? 0x7fc0u : nearest);
}

constexpr std::int64_t kBlock = 256;  // channels worked on at once, in registers and the first-level cache

#include "kernels/cpu/gate_loops.h"
#include "kernels/cpu/lamb.h"
#include "kernels/cpu/split_rows.h"

// Four words a block, so whole blocks are worked on; `values` gets count of them from word `first` on.
template <class T>
void draw_mask(T* values, const RandomStream& stream, std::uint64_t threshold, T scale, std::uint64_t first,
               std::int64_t count) {
  std::int64_t n = 0;
  for (std::uint64_t block = first / 4; n < count; ++block) {
    const auto words = stream.block(block);
    for (std::uint64_t w = n == 0 ? first % 4 : 0; w < 4 && n < count; ++w, ++n) {
      values[n] = words[w] < threshold ? T(0) : scale;
    }
  }
}

template <class T>
void dropout_mask(T* mask, const RandomStream& stream, std::uint64_t threshold, T scale, Range elements, void*) {
  draw_mask(mask, stream, threshold, scale, static_cast<std::uint64_t>(elements.begin),
            elements.end - elements.begin);
}

// The mask of elements [first, first + count) of a kernel, none of them in the last tap; null if all are kept.
template <class T>
const T* kernel_mask(const KernelMask<T>& mask, std::int64_t first, std::int64_t count, T* scratch) {
  if (mask.given) return mask.given + first;
  if (mask.threshold == 0) return nullptr;
  draw_mask(scratch, mask.stream, mask.threshold, mask.scale, static_cast<std::uint64_t>(first), count);
  return scratch;
}

// Walks the elements of one row in blocks: body(first, last, mask of the block or null).
template <class T, class Body>
void for_row_blocks(const KernelMask<T>& mask, std::int64_t row, std::int64_t taps, std::int64_t channels, Body body) {
  const std::int64_t width = taps * channels, dropped = mask.given ? width : width - channels;
  T scratch[kBlock];
  for (std::int64_t first = 0; first < width;) {
    const std::int64_t end = first < dropped ? dropped : width;
    const std::int64_t last = first + kBlock < end ? first + kBlock : end;
    body(first, last, first < dropped ? kernel_mask(mask, row * width + first, last - first, scratch) : nullptr);
    first = last;
  }
}

// The masks are drawn twice, for the norm and for the kernel: rows that were kept in between would have to be kept in T.
template <class A>
void effective_kernel_forward(const EffectiveKernelForward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  const std::int64_t width = k.taps * k.channels;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* __restrict const v = k.direction + row * width;
    A* __restrict const w = k.kernel + row * width;
    T factor = 1;
    if (k.gain) {
      T squares = 0;
      for_row_blocks(k.mask, row, k.taps, k.channels, [&](std::int64_t first, std::int64_t last, const T* mask) {
        if (mask) {
          squares += interleaved_sum<T>(first, last, [=](std::int64_t n) {
            const T u = v[n] * mask[n - first];
            return u * u;
          });
        } else {
          squares += interleaved_sum<T>(first, last, [=](std::int64_t n) { return v[n] * v[n]; });
        }
      });
      factor = squares > 0 ? k.gain[row] / static_cast<T>(__builtin_sqrt(static_cast<double>(squares))) : T(0);
    }
    for_row_blocks(k.mask, row, k.taps, k.channels, [&](std::int64_t first, std::int64_t last, const T* mask) {
      if (mask) {
        for (std::int64_t n = first; n < last; ++n) store(w[n], v[n] * mask[n - first] * factor);
      } else {
        for (std::int64_t n = first; n < last; ++n) store(w[n], v[n] * factor);
      }
    });
  }
}

template <class T>
void effective_kernel_backward(const EffectiveKernelBackward<T>& k, Range rows, void*) {
  const std::int64_t width = k.taps * k.channels;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const T* __restrict const v = k.direction + row * width;
    T* __restrict const d = k.d_kernel + row * width;
    T factor = 1, shrink = 0;  // dv = mask (factor d - shrink u), u = v mask
    if (k.gain) {
      T squares = 0, product = 0;
      for_row_blocks(k.mask, row, k.taps, k.channels, [&](std::int64_t first, std::int64_t last, const T* mask) {
        const TwoSums<T> sums = mask ? two_interleaved_sums<T>(first, last, [=](std::int64_t n) -> TwoSums<T> {
          const T u = v[n] * mask[n - first];
          return {u * u, d[n] * u};
        }) : two_interleaved_sums<T>(first, last, [=](std::int64_t n) -> TwoSums<T> { return {v[n] * v[n], d[n] * v[n]}; });
        squares += sums.first, product += sums.second;
      });
      const T inverse = squares > 0 ? T(1) / static_cast<T>(__builtin_sqrt(static_cast<double>(squares))) : T(0);
      k.d_gain[row] = product * inverse;
      factor = k.gain[row] * inverse;
      shrink = factor * product * inverse * inverse;
    }
    for_row_blocks(k.mask, row, k.taps, k.channels, [&](std::int64_t first, std::int64_t last, const T* mask) {
      if (mask) {
        for (std::int64_t n = first; n < last; ++n) {
          const T m = mask[n - first];
          d[n] = m * (factor * d[n] - shrink * (m * v[n]));
        }
      } else {
        for (std::int64_t n = first; n < last; ++n) d[n] = factor * d[n] - shrink * v[n];
      }
    });
  }
}

template <class A>
void embedding_forward(const EmbeddingForward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t token = k.tokens[row];
    const T* __restrict const source = k.table + token * k.channels;
    A* __restrict const x = k.values + row * k.channels;
    const T factor = k.word_mask ? k.word_mask[token] : T(1);
    const T* __restrict const mask = k.input_mask ? k.input_mask + row % k.lanes * k.channels : nullptr;
    for (std::int64_t n = 0; n < k.channels; ++n) store(x[n], source[n] * factor * (mask ? mask[n] : T(1)));
  }
}

template <class A>
void embedding_backward(const EmbeddingBackward<A>& k, Range channels, void*) {
  using T = Compute<A>;
  for (std::int64_t row = 0; row < k.rows; ++row) {
    const std::int64_t token = k.tokens[row];
    const T factor = k.word_mask ? k.word_mask[token] : T(1);
    if (factor == T(0)) continue;
    const A* __restrict const d = k.d_values + row * k.channels;
    T* __restrict const sum = k.d_table + token * k.channels;
    const T* __restrict const mask = k.input_mask ? k.input_mask + row % k.lanes * k.channels : nullptr;
    for (std::int64_t n = channels.begin; n < channels.end; ++n) sum[n] += widened(d[n]) * factor * (mask ? mask[n] : T(1));
  }
}

template <class A>
void gather_steps(const GatherSteps<A>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t place = k.places[row / k.lanes];
    A* __restrict const values = k.values + row * k.stride;
    if (place < 0) {
      for (std::int64_t n = 0; n < k.channels; ++n) values[n] = A{};
      continue;
    }
    const A* __restrict const source = k.source + (place * k.lanes + row % k.lanes) * k.channels;
    for (std::int64_t n = 0; n < k.channels; ++n) values[n] = source[n];
  }
}

template <class A>
void scatter_add_steps(const ScatterAddSteps<A>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t place = k.places[row / k.lanes];
    if (place < 0) continue;
    const A* __restrict const values = k.values + row * k.stride;
    A* __restrict const sums = k.sums + (place * k.lanes + row % k.lanes) * k.channels;
    for (std::int64_t n = 0; n < k.channels; ++n) store(sums[n], widened(sums[n]) + widened(values[n]));
  }
}

// Sum of exp(logit - largest), which takes the logits' place if Keep. Sums of a few thousand terms at a time, so that a float
// accumulator meets no more than a large vocabulary's root.
template <bool Keep, class T>
double exponentials(T* __restrict logits, std::int64_t classes, T largest) {
  constexpr std::int64_t kSumBlock = 2048;
  double total = 0;
  for (std::int64_t first = 0; first < classes; first += kSumBlock) {
    const std::int64_t last = first + kSumBlock < classes ? first + kSumBlock : classes;
    total += static_cast<double>(interleaved_sum<T>(first, last, [=](std::int64_t n) {
      const T e = falling_exponential(logits[n] - largest);
      if constexpr (Keep) logits[n] = e;
      return e;
    }));
  }
  return total;
}

template <class T>
void cross_entropy(const CrossEntropy<T>& k, Range rows, void*) {
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += kBlock) {
    const std::int64_t end = begin + kBlock < rows.end ? begin + kBlock : rows.end;
    double totals[kBlock], below[kBlock];  // sum of exp(logit - largest), largest - target's logit
    for (std::int64_t row = begin; row < end; ++row) {
      T* __restrict const logits = k.logits + row * k.stride;
      const T largest = largest_of(logits, k.classes), at_target = logits[k.targets[row]];
      const double total = k.scale ? exponentials<true>(logits, k.classes, largest) : exponentials<false>(logits, k.classes, largest);
      totals[row - begin] = total;
      below[row - begin] = static_cast<double>(largest - at_target);
      if (!k.scale) continue;
      const T factor = static_cast<T>(static_cast<double>(k.scale[row]) / total);
      for (std::int64_t n = 0; n < k.classes; ++n) logits[n] *= factor;
      logits[k.targets[row]] -= k.scale[row];
    }
    double* const loss = k.loss + begin;
#pragma omp simd
    for (std::int64_t n = 0; n < end - begin; ++n) loss[n] = logarithm(totals[n]) + below[n];
  }
}

#include "kernels/cpu/softmax_stripes.h"

template <class T>
void sgd_update(const SgdUpdate<T>& k, Range elements, void*) {
  T* __restrict const w = k.weights;
  const T* __restrict const g = k.gradient;
  const T scale = static_cast<T>(*k.gradient_scale);
  if (scale != scale) return;
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    w[n] -= k.learning_rate * (scale * g[n] + k.weight_decay * w[n]);
  }
}

template <class T>
void adam_update(const AdamUpdate<T>& k, Range elements, void*) {
  T* __restrict const w = k.weights;
  const T* __restrict const g = k.gradient;
  T* __restrict const m = k.mean;
  T* __restrict const v = k.variance;
  const T inverse_correction = T(1) / k.variance_correction, scale = static_cast<T>(*k.gradient_scale);
  if (scale != scale) return;
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    const T d = scale * g[n] + k.weight_decay * w[n];
    const T mean = m[n] + k.beta1_complement * (d - m[n]);
    const T variance = k.beta2 * v[n] + k.beta2_complement * d * d;
    m[n] = mean;
    v[n] = variance;
    T root;
    if constexpr (sizeof(T) == sizeof(float)) root = __builtin_sqrtf(variance);
    else root = __builtin_sqrt(variance);
    w[n] -= k.step_size * mean / (root * inverse_correction + k.epsilon);
  }
}

template <class T>
void squared_norm(const T* values, std::int64_t count, double* sums, Range blocks, void*) {
  for (std::int64_t block = blocks.begin; block < blocks.end; ++block) {
    const std::int64_t end = (block + 1) * kNormBlock < count ? (block + 1) * kNormBlock : count;
    sums[block] = interleaved_sum<double>(block * kNormBlock, end, [=](std::int64_t n) {
      return static_cast<double>(values[n]) * static_cast<double>(values[n]);
    });
  }
}

template <class A>
void round_elements(const RoundElements<A>& k, Range elements, void*) {
  const Compute<A>* __restrict const from = k.from;
  A* __restrict const values = k.values;
  for (std::int64_t n = elements.begin; n < elements.end; ++n) store(values[n], from[n]);
}

template <class A>
void widen_rows(const WidenRows<A>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const A* __restrict const values = k.values + row * k.columns;
    Compute<A>* __restrict const sums = k.sums + row * k.stride;
    if (k.add) {
      for (std::int64_t n = 0; n < k.columns; ++n) sums[n] += widened(values[n]);
    } else {
      for (std::int64_t n = 0; n < k.columns; ++n) sums[n] = widened(values[n]);
    }
  }
}

#include "kernels/cpu/sums.h"

template <class T>
void apply_function(const ApplyFunction<T>& k, Range elements, void*) {
  const auto apply = [&](auto function) {
    T* __restrict const values = k.values;
    for (std::int64_t n = elements.begin; n < elements.end; ++n) values[n] = function(values[n]);
  };
  switch (k.function) {
    case ElementFunction::exponential: return apply([](T x) { return exponential(x); });
    case ElementFunction::logarithm: return apply([](T x) { return logarithm(x); });
    case ElementFunction::hyperbolic_tangent: return apply([](T x) { return hyperbolic_tangent(x); });
    case ElementFunction::logistic: return apply([](T x) { return logistic(x); });
  }
}

}  // namespace

template <class A>
KernelTable<A> kernel_table() {
  using T = Compute<A>;
  return {TRELLIS_ISA_NAME,
          gates_forward<A>,
          gates_backward<A>,
          effective_kernel_forward<A>,
          effective_kernel_backward<T>,
          embedding_forward<A>,
          embedding_backward<A>,
          gather_steps<A>,
          scatter_add_steps<A>,
          cross_entropy<T>,
          softmax_statistics<T>,
          softmax_gradient<T>,
          sgd_update<T>,
          adam_update<T>,
          lamb_moments<T>,
          lamb_trust<T>,
          lamb_apply<T>,
          dropout_mask<T>,
          squared_norm<T>,
          round_elements<A>,
          widen_rows<A>,
          column_sums<A>,
          level_sums<A>,
          split_rows,
          apply_function<T>};
}
template KernelTable<float> kernel_table<float>();
template KernelTable<double> kernel_table<double>();
template KernelTable<BFloat16> kernel_table<BFloat16>();

}  // namespace trellis::TRELLIS_ISA
