// Effective kernels: weight dropout and weight normalisation.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/weight_norm.h"

namespace trellis::cuda {

template void effective_kernel_forward<CudaDevice, float>(const EffectiveKernelForward<float>&, Range, void*);
template void effective_kernel_forward<CudaDevice, double>(const EffectiveKernelForward<double>&, Range, void*);
template void effective_kernel_forward<CudaDevice, BFloat16>(const EffectiveKernelForward<BFloat16>&, Range, void*);
template void effective_kernel_backward<CudaDevice, float>(const EffectiveKernelBackward<float>&, Range, void*);
template void effective_kernel_backward<CudaDevice, double>(const EffectiveKernelBackward<double>&, Range, void*);

}  // namespace trellis::cuda
