// Softmaxes whose classes lie with several ranks.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/softmax_stripes.h"

namespace trellis::cuda {

template void softmax_statistics<CudaDevice, float>(const SoftmaxStatistics<float>&, Range, void*);
template void softmax_statistics<CudaDevice, double>(const SoftmaxStatistics<double>&, Range, void*);
template void softmax_gradient<CudaDevice, float>(const SoftmaxGradient<float>&, Range, void*);
template void softmax_gradient<CudaDevice, double>(const SoftmaxGradient<double>&, Range, void*);

}  // namespace trellis::cuda
