// Softmax and cross entropy.
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/device.cuh"

namespace trellis::cuda {

template void cross_entropy<CudaDevice, float>(const CrossEntropy<float>&, Range, void*);
template void cross_entropy<CudaDevice, double>(const CrossEntropy<double>&, Range, void*);

}  // namespace trellis::cuda
