// Rounding and widening.
#include "kernels/cuda/convert.h"
#include "kernels/cuda/device.cuh"

namespace trellis::cuda {

template void round_elements<CudaDevice, float>(const RoundElements<float>&, Range, void*);
template void widen_rows<CudaDevice, float>(const WidenRows<float>&, Range, void*);
template void round_elements<CudaDevice, double>(const RoundElements<double>&, Range, void*);
template void widen_rows<CudaDevice, double>(const WidenRows<double>&, Range, void*);
template void round_elements<CudaDevice, BFloat16>(const RoundElements<BFloat16>&, Range, void*);
template void widen_rows<CudaDevice, BFloat16>(const WidenRows<BFloat16>&, Range, void*);

}  // namespace trellis::cuda
