// Steps gathered and scattered.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/gather.h"

namespace trellis::cuda {

template void gather_steps<CudaDevice, float>(const GatherSteps<float>&, Range, void*);
template void scatter_add_steps<CudaDevice, float>(const ScatterAddSteps<float>&, Range, void*);
template void gather_steps<CudaDevice, double>(const GatherSteps<double>&, Range, void*);
template void scatter_add_steps<CudaDevice, double>(const ScatterAddSteps<double>&, Range, void*);
template void gather_steps<CudaDevice, BFloat16>(const GatherSteps<BFloat16>&, Range, void*);
template void scatter_add_steps<CudaDevice, BFloat16>(const ScatterAddSteps<BFloat16>&, Range, void*);

}  // namespace trellis::cuda
