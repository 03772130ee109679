// Softmax and cross entropy.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/cross_entropy.h"

namespace trellis::cuda {

template void cross_entropy<CudaDevice, float>(const CrossEntropy<float>&, Range, void*);
template void cross_entropy<CudaDevice, double>(const CrossEntropy<double>&, Range, void*);

}  // namespace trellis::cuda
