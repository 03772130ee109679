// LAMB's three kernels.
#include "kernels/cuda/lamb.h"

#include "kernels/cuda/device.cuh"

namespace trellis::cuda {

template void lamb_moments<CudaDevice, float>(const LambUpdate<float>&, Range, void*);
template void lamb_trust<CudaDevice, float>(const LambUpdate<float>&, Range, void*);
template void lamb_apply<CudaDevice, float>(const LambUpdate<float>&, Range, void*);
template void lamb_moments<CudaDevice, double>(const LambUpdate<double>&, Range, void*);
template void lamb_trust<CudaDevice, double>(const LambUpdate<double>&, Range, void*);
template void lamb_apply<CudaDevice, double>(const LambUpdate<double>&, Range, void*);

}  // namespace trellis::cuda
