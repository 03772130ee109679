// The door between the program and everything that needs CUDA libraries. lib/libtrellis_cuda.so beside the program's bin/
// holds that part; it is loaded only when a run uses a GPU, because loading it brings in 2 GB of NVIDIA libraries.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <string>

#include "base/time_span.h"
#include "kernels/cuda_kernels.h"

namespace trellis {

// The module's functions. Both sides are built together, so C++ types may pass; `version` catches a stale file.
struct CudaModule {
  static constexpr int kVersion = 4;

  int version;
  int (*device_count)();
  void (*set_device)(int index);
  // Makes `device_index` current, then creates a ProcessGroupNCCL over `size` ranks that meet in `store`.
  c10::intrusive_ptr<c10d::Backend> (*make_nccl_backend)(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                                         int device_index, std::chrono::milliseconds timeout,
                                                         const std::string& group_name);
  const CudaKernels* kernels;
  const RangeHooks* ranges;  // spans as ranges of the GPU's profiler
};

// Loads the module at first use and registers its kernels and ranges; it stays loaded. Throws ConfigError when this build has none, or it cannot be loaded.
const CudaModule& cuda_module();

// Whether this build has the module, without loading it.
bool has_cuda_module();

// Name of the one C function that the module exports: const CudaModule* trellis_cuda_module().
inline constexpr const char* kCudaModuleEntry = "trellis_cuda_module";

}  // namespace trellis
