// Sums of squares.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/norm.h"

namespace trellis::cuda {

template void squared_norm<CudaDevice, float>(const float*, std::int64_t, double*, Range, void*);
template void squared_norm<CudaDevice, double>(const double*, std::int64_t, double*, Range, void*);

}  // namespace trellis::cuda
