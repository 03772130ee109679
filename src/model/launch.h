// From tensors to kernels: picks the table for a tensor's device and element type, and cuts the work over threads.
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <optional>
#include <type_traits>
#include <utility>

#include "base/errors.h"
#include "kernels/cuda_kernels.h"
#include "kernels/table.h"

namespace trellis {

// Calls f.operator()<T>() with the C++ type of `type`; throws InternalError unless that is float or double.
template <class F>
void with_element_type(at::ScalarType type, F&& f) {
  if (type == at::kFloat) {
    f.template operator()<float>();
  } else {
    require(type == at::kDouble, "weights, cells and sums are float32 or float64");
    f.template operator()<double>();
  }
}

// The same for activations, which may be bfloat16 too.
template <class F>
void with_activation_type(at::ScalarType type, F&& f) {
  if (type == at::kBFloat16) {
    f.template operator()<BFloat16>();
  } else {
    with_element_type(type, std::forward<F>(f));
  }
}

// The type of weights, cells and sums beside activations of this type.
inline at::ScalarType compute_type(at::ScalarType activations) { return activations == at::kBFloat16 ? at::kFloat : activations; }

// Options of activations beside those of weights and cells; `type` undefined: the same.
inline at::TensorOptions activation_options(at::TensorOptions options, std::optional<at::ScalarType> type) {
  return type ? options.dtype(*type) : options;
}

template <class A>
const KernelTable<A>& kernels_for(at::Device device) {
  require(device.is_cpu() || device.is_cuda(), "there are kernels for CPU and CUDA tensors");
  return device.is_cpu() ? cpu_kernels<A>() : cuda_kernels<A>();
}

// LibTorch's current stream of a CUDA device, on which everything of ours is queued too; null for the CPU.
inline void* stream_of(at::Device device) { return device.is_cpu() ? nullptr : registered_cuda_kernels().current_stream(device.index()); }

// Calls run(part, stream) over the whole range: on a GPU in one call; on a CPU its parts run on LibTorch's threads, each at
// least `grain` long.
template <class Run>
void launch_range(at::Device device, Range range, std::int64_t grain, const Run& run) {
  if (range.empty()) return;
  if (!device.is_cpu()) {
    run(range, stream_of(device));
    return;
  }
  at::parallel_for(range.begin, range.end, grain, [&](std::int64_t begin, std::int64_t end) { run(Range{begin, end}, nullptr); });
}

// The same for kernel(args, part, stream).
template <class Args>
void launch(at::Device device, void (*kernel)(const Args&, Range, void*), const std::type_identity_t<Args>& args, Range range,
            std::int64_t grain) {
  launch_range(device, range, grain, [&](Range part, void* stream) { kernel(args, part, stream); });
}

// `host`, a tensor in host memory, where kernels of `device` see it: itself on a CPU; on a GPU a copy, queued through pinned
// memory of LibTorch's cache.
inline at::Tensor on_device(const at::Tensor& host, at::Device device) {
  if (device.is_cpu() || !host.defined()) return host;
  return host.pin_memory().to(at::TensorOptions().device(device), true);
}

// Elements worth a thread of their own.
inline constexpr std::int64_t kGrainElements = 16384;
inline std::int64_t grain_for(std::int64_t elements_per_item) {
  return std::max<std::int64_t>(1, kGrainElements / std::max<std::int64_t>(1, elements_per_item));
}

// A tensor's memory as kernels see it; null for an undefined tensor.
template <class A>
const A* const_data(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  if constexpr (std::is_same_v<A, BFloat16>) {
    return reinterpret_cast<const BFloat16*>(tensor.const_data_ptr<at::BFloat16>());
  } else {
    return tensor.const_data_ptr<A>();
  }
}
template <class A>
A* mutable_data(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  if constexpr (std::is_same_v<A, BFloat16>) {
    return reinterpret_cast<BFloat16*>(tensor.mutable_data_ptr<at::BFloat16>());
  } else {
    return tensor.mutable_data_ptr<A>();
  }
}

// "x: expected [40, 512], got [40, 75]" as InternalError, unless the sizes agree.
void expect_shape(const char* name, const at::Tensor& tensor, at::IntArrayRef sizes);

enum class Accumulate { overwrite, add };

// out = a b, or out += a b. out [m, n], a [m, k], b [k, n]: any of them may be a strided view, and all are of one type.
void multiply(at::Tensor out, const at::Tensor& a, const at::Tensor& b, Accumulate accumulate);

// The same for a sum that may be wider than what is multiplied: float32 out of bfloat16 factors. On a CPU the product is rounded
// once, then added in float32; `scratch` holds it in between and is allocated when first needed.
void multiply_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, Accumulate accumulate, at::Tensor& scratch);

// into = from rounded to `into`'s type; both contiguous. Nothing happens where they are the same memory.
void round_into(const at::Tensor& into, const at::Tensor& from);

// Sum of contiguous float64 numbers: one number where they are. On a CPU they are added in order, so that no thread count changes it.
at::Tensor sum_in_order(const at::Tensor& numbers);

// Sum of the squares of a contiguous tensor of weights, cells or sums: one float64 number where they are, added in an order that
// no thread count changes.
at::Tensor sum_of_squares(const at::Tensor& values);

// sums [rows, columns] = sum over `places` [n] (int64, on the same device) of values' rows from place * distance on: matrices of
// one size, `distance` rows from one to the next. In the order of the places, rounded once.
void sum_over_levels(const at::Tensor& sums, const at::Tensor& values, std::int64_t distance, const at::Tensor& places);

// sums [n] += sum over rows of values [m, n] (rows contiguous; perhaps activations of a narrower type), in a fixed order.
void add_column_sums(const at::Tensor& sums, const at::Tensor& values);

}  // namespace trellis
