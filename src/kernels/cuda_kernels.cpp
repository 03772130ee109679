#include "kernels/cuda_kernels.h"

#include "base/errors.h"

namespace trellis {
namespace {

const CudaKernels* registered = nullptr;  // written once, before any thread computes

}  // namespace

void register_cuda_kernels(const CudaKernels* kernels) { registered = kernels; }

const CudaKernels& registered_cuda_kernels() {
  require(registered != nullptr, "a tensor is on a GPU, but the CUDA module has not been loaded");
  return *registered;
}

template <>
const KernelTable<float>& cuda_kernels<float>() {
  return *registered_cuda_kernels().of_float;
}
template <>
const KernelTable<double>& cuda_kernels<double>() {
  return *registered_cuda_kernels().of_double;
}
template <>
const KernelTable<BFloat16>& cuda_kernels<BFloat16>() {
  return *registered_cuda_kernels().of_bfloat16;
}

}  // namespace trellis
