// Sums of rows.
#include "kernels/cuda/column_sums.h"

#include "kernels/cuda/device.cuh"

namespace trellis::cuda {

template void column_sums<CudaDevice, float>(const ColumnSums<float>&, Range, void*);
template void column_sums<CudaDevice, double>(const ColumnSums<double>&, Range, void*);
template void column_sums<CudaDevice, BFloat16>(const ColumnSums<BFloat16>&, Range, void*);

}  // namespace trellis::cuda
