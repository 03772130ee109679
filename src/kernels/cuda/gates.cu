// The fused gates.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/gates.h"

namespace trellis::cuda {

template void gates_forward<CudaDevice, float>(const GatesForward<float>&, Range, void*);
template void gates_backward<CudaDevice, float>(const GatesBackward<float>&, Range, void*);
template void gates_forward<CudaDevice, double>(const GatesForward<double>&, Range, void*);
template void gates_backward<CudaDevice, double>(const GatesBackward<double>&, Range, void*);
template void gates_forward<CudaDevice, BFloat16>(const GatesForward<BFloat16>&, Range, void*);
template void gates_backward<CudaDevice, BFloat16>(const GatesBackward<BFloat16>&, Range, void*);

}  // namespace trellis::cuda
