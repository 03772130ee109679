// Updates of the optimizers.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/optimizer.h"

namespace trellis::cuda {

template void sgd_update<CudaDevice, float>(const SgdUpdate<float>&, Range, void*);
template void adam_update<CudaDevice, float>(const AdamUpdate<float>&, Range, void*);
template void sgd_update<CudaDevice, double>(const SgdUpdate<double>&, Range, void*);
template void adam_update<CudaDevice, double>(const AdamUpdate<double>&, Range, void*);

}  // namespace trellis::cuda
