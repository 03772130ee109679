// The kernels of a GPU. They live in libtrellis_cuda.so (comm/cuda_module.h), which is loaded only when a run uses a GPU and
// which then hands its tables over here, so that folders above kernels/ need not know of the module.
#pragma once

#include "kernels/table.h"

namespace trellis {

struct CudaKernels {
  const KernelTable<float>* of_float;
  const KernelTable<double>* of_double;
  const KernelTable<BFloat16>* of_bfloat16;
  void* (*current_stream)(int device_index);  // LibTorch's current cudaStream_t
};

// Called once, by whoever loaded the module; `kernels` must live as long as the process.
void register_cuda_kernels(const CudaKernels* kernels);

// Throws InternalError if the module was not loaded.
const CudaKernels& registered_cuda_kernels();

template <class A>
const KernelTable<A>& cuda_kernels();

}  // namespace trellis
