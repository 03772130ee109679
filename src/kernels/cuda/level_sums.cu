// Sums over levels.
#include "kernels/cuda/level_sums.h"

#include "kernels/cuda/device.cuh"

namespace trellis::cuda {

template void level_sums<CudaDevice, float>(const LevelSums<float>&, Range, void*);
template void level_sums<CudaDevice, double>(const LevelSums<double>&, Range, void*);
template void level_sums<CudaDevice, BFloat16>(const LevelSums<BFloat16>&, Range, void*);

}  // namespace trellis::cuda
