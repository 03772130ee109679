// Dropout masks.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/dropout.h"

namespace trellis::cuda {

template void dropout_mask<CudaDevice, float>(float*, const RandomStream&, std::uint64_t, float, Range, void*);
template void dropout_mask<CudaDevice, double>(double*, const RandomStream&, std::uint64_t, double, Range, void*);

}  // namespace trellis::cuda
