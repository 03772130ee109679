// The tables of kernels that run on a GPU. The kernels themselves are compiled by the other files of this folder.
#include "kernels/cuda/cuda_tables.h"

#include "kernels/cuda/device.cuh"
#include "kernels/cuda/table_on.h"

namespace trellis::cuda {

extern template void column_sums<CudaDevice, float>(const ColumnSums<float>&, Range, void*);
extern template void column_sums<CudaDevice, double>(const ColumnSums<double>&, Range, void*);
extern template void column_sums<CudaDevice, BFloat16>(const ColumnSums<BFloat16>&, Range, void*);
extern template void level_sums<CudaDevice, float>(const LevelSums<float>&, Range, void*);
extern template void level_sums<CudaDevice, double>(const LevelSums<double>&, Range, void*);
extern template void level_sums<CudaDevice, BFloat16>(const LevelSums<BFloat16>&, Range, void*);
extern template void round_elements<CudaDevice, float>(const RoundElements<float>&, Range, void*);
extern template void widen_rows<CudaDevice, float>(const WidenRows<float>&, Range, void*);
extern template void round_elements<CudaDevice, double>(const RoundElements<double>&, Range, void*);
extern template void widen_rows<CudaDevice, double>(const WidenRows<double>&, Range, void*);
extern template void round_elements<CudaDevice, BFloat16>(const RoundElements<BFloat16>&, Range, void*);
extern template void widen_rows<CudaDevice, BFloat16>(const WidenRows<BFloat16>&, Range, void*);
extern template void cross_entropy<CudaDevice, float>(const CrossEntropy<float>&, Range, void*);
extern template void cross_entropy<CudaDevice, double>(const CrossEntropy<double>&, Range, void*);
extern template void softmax_statistics<CudaDevice, float>(const SoftmaxStatistics<float>&, Range, void*);
extern template void softmax_gradient<CudaDevice, float>(const SoftmaxGradient<float>&, Range, void*);
extern template void softmax_statistics<CudaDevice, double>(const SoftmaxStatistics<double>&, Range, void*);
extern template void softmax_gradient<CudaDevice, double>(const SoftmaxGradient<double>&, Range, void*);
extern template void dropout_mask<CudaDevice, float>(float*, const RandomStream&, std::uint64_t, float, Range, void*);
extern template void dropout_mask<CudaDevice, double>(double*, const RandomStream&, std::uint64_t, double, Range, void*);
extern template void embedding_forward<CudaDevice, float>(const EmbeddingForward<float>&, Range, void*);
extern template void embedding_backward<CudaDevice, float>(const EmbeddingBackward<float>&, Range, void*);
extern template void embedding_forward<CudaDevice, double>(const EmbeddingForward<double>&, Range, void*);
extern template void embedding_backward<CudaDevice, double>(const EmbeddingBackward<double>&, Range, void*);
extern template void embedding_forward<CudaDevice, BFloat16>(const EmbeddingForward<BFloat16>&, Range, void*);
extern template void embedding_backward<CudaDevice, BFloat16>(const EmbeddingBackward<BFloat16>&, Range, void*);
extern template void gates_forward<CudaDevice, float>(const GatesForward<float>&, Range, void*);
extern template void gates_backward<CudaDevice, float>(const GatesBackward<float>&, Range, void*);
extern template void gates_forward<CudaDevice, double>(const GatesForward<double>&, Range, void*);
extern template void gates_backward<CudaDevice, double>(const GatesBackward<double>&, Range, void*);
extern template void gates_forward<CudaDevice, BFloat16>(const GatesForward<BFloat16>&, Range, void*);
extern template void gates_backward<CudaDevice, BFloat16>(const GatesBackward<BFloat16>&, Range, void*);
extern template void gather_steps<CudaDevice, float>(const GatherSteps<float>&, Range, void*);
extern template void scatter_add_steps<CudaDevice, float>(const ScatterAddSteps<float>&, Range, void*);
extern template void gather_steps<CudaDevice, double>(const GatherSteps<double>&, Range, void*);
extern template void scatter_add_steps<CudaDevice, double>(const ScatterAddSteps<double>&, Range, void*);
extern template void gather_steps<CudaDevice, BFloat16>(const GatherSteps<BFloat16>&, Range, void*);
extern template void scatter_add_steps<CudaDevice, BFloat16>(const ScatterAddSteps<BFloat16>&, Range, void*);
extern template void squared_norm<CudaDevice, float>(const float*, std::int64_t, double*, Range, void*);
extern template void squared_norm<CudaDevice, double>(const double*, std::int64_t, double*, Range, void*);
extern template void sgd_update<CudaDevice, float>(const SgdUpdate<float>&, Range, void*);
extern template void adam_update<CudaDevice, float>(const AdamUpdate<float>&, Range, void*);
extern template void sgd_update<CudaDevice, double>(const SgdUpdate<double>&, Range, void*);
extern template void adam_update<CudaDevice, double>(const AdamUpdate<double>&, Range, void*);
extern template void lamb_moments<CudaDevice, float>(const LambUpdate<float>&, Range, void*);
extern template void lamb_trust<CudaDevice, float>(const LambUpdate<float>&, Range, void*);
extern template void lamb_apply<CudaDevice, float>(const LambUpdate<float>&, Range, void*);
extern template void lamb_moments<CudaDevice, double>(const LambUpdate<double>&, Range, void*);
extern template void lamb_trust<CudaDevice, double>(const LambUpdate<double>&, Range, void*);
extern template void lamb_apply<CudaDevice, double>(const LambUpdate<double>&, Range, void*);
extern template void effective_kernel_forward<CudaDevice, float>(const EffectiveKernelForward<float>&, Range, void*);
extern template void effective_kernel_forward<CudaDevice, double>(const EffectiveKernelForward<double>&, Range, void*);
extern template void effective_kernel_forward<CudaDevice, BFloat16>(const EffectiveKernelForward<BFloat16>&, Range, void*);
extern template void effective_kernel_backward<CudaDevice, float>(const EffectiveKernelBackward<float>&, Range, void*);
extern template void effective_kernel_backward<CudaDevice, double>(const EffectiveKernelBackward<double>&, Range, void*);

template <class A>
const KernelTable<A>& device_table() {
  static const KernelTable<A> table = table_on<CudaDevice, A>("cuda");
  return table;
}
template const KernelTable<float>& device_table<float>();
template const KernelTable<double>& device_table<double>();
template const KernelTable<BFloat16>& device_table<BFloat16>();

}  // namespace trellis::cuda
