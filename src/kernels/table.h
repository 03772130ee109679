// Every kernel, as a table of functions for one device and one type of activations: float, double, or BFloat16 that is
// computed with as float (kernels/element.h). A kernel works on the part [begin, end) of its range; on a CPU the caller
// cuts the whole range over its threads, on a GPU it is one call.
// `stream` is the CUDA stream, and null on a CPU. Pointers are to memory of the table's device.
//
// reference_kernels are the specification, in plain loops and the standard library's functions; cpu_kernels the fast
// ones, compiled for several instruction sets and chosen at start-up. What the fast ones give depends on nothing but their input and on
// whether the processor multiplies and adds in one rounding (AVX2 and AVX-512: the same bits; without: others): not on the compiler, a C
// library, or how a range was cut (tests/kernels/kernel_bits_test.cpp).
#pragma once

#include <vector>

#include "kernels/column_sums.h"
#include "kernels/convert.h"
#include "kernels/cross_entropy.h"
#include "kernels/elements.h"
#include "kernels/embedding.h"
#include "kernels/gates.h"
#include "kernels/gather.h"
#include "kernels/level_sums.h"
#include "kernels/optimizer_update.h"
#include "kernels/softmax_stripes.h"
#include "kernels/weight_norm.h"
#include "plan/random.h"
#include "plan/shard_range.h"

namespace trellis {

template <class A>
struct KernelTable {
  using T = Compute<A>;
  const char* name;  // for logs: "reference", "x86-64-v4", ...
  void (*gates_forward)(const GatesForward<A>&, Range rows, void* stream);
  void (*gates_backward)(const GatesBackward<A>&, Range rows, void* stream);
  void (*effective_kernel_forward)(const EffectiveKernelForward<A>&, Range rows, void* stream);
  void (*effective_kernel_backward)(const EffectiveKernelBackward<T>&, Range rows, void* stream);
  void (*embedding_forward)(const EmbeddingForward<A>&, Range rows, void* stream);
  void (*embedding_backward)(const EmbeddingBackward<A>&, Range channels, void* stream);
  void (*gather_steps)(const GatherSteps<A>&, Range rows, void* stream);
  void (*scatter_add_steps)(const ScatterAddSteps<A>&, Range rows, void* stream);
  void (*cross_entropy)(const CrossEntropy<T>&, Range rows, void* stream);
  void (*softmax_statistics)(const SoftmaxStatistics<T>&, Range rows, void* stream);
  void (*softmax_gradient)(const SoftmaxGradient<T>&, Range rows, void* stream);
  void (*sgd_update)(const SgdUpdate<T>&, Range elements, void* stream);
  void (*adam_update)(const AdamUpdate<T>&, Range elements, void* stream);
  void (*lamb_moments)(const LambUpdate<T>&, Range blocks, void* stream);
  void (*lamb_trust)(const LambUpdate<T>&, Range tensors, void* stream);
  void (*lamb_apply)(const LambUpdate<T>&, Range blocks, void* stream);
  // mask[i - elements.begin] = word(i) < threshold ? 0 : scale, for i in elements
  void (*dropout_mask)(T* mask, const RandomStream&, std::uint64_t threshold, T scale, Range elements, void* stream);
  // sums[b] = sum of squares of block b of kNormBlock elements, for b in blocks; the last block may be short
  void (*squared_norm)(const T* values, std::int64_t count, double* sums, Range blocks, void* stream);
  void (*round_elements)(const RoundElements<A>&, Range elements, void* stream);
  void (*widen_rows)(const WidenRows<A>&, Range rows, void* stream);
  void (*column_sums)(const ColumnSums<A>&, Range columns, void* stream);
  void (*level_sums)(const LevelSums<A>&, Range elements, void* stream);
  // null on GPUs
  void (*split_rows)(const SplitRows&, Range rows, void* stream) = nullptr;
  void (*apply_function)(const ApplyFunction<T>&, Range elements, void* stream) = nullptr;
};

inline constexpr std::int64_t kNormBlock = 1 << 16;

template <class A>
const KernelTable<A>& reference_kernels();
template <class A>
const KernelTable<A>& cpu_kernels();
// Every compiled set that this processor can run, fastest first; cpu_kernels is the first.
template <class A>
std::vector<KernelTable<A>> usable_cpu_kernels();

}  // namespace trellis
