// Embedding lookup and its gradient.
#include "kernels/cuda/device.cuh"
#include "kernels/cuda/embedding.h"

namespace trellis::cuda {

template void embedding_forward<CudaDevice, float>(const EmbeddingForward<float>&, Range, void*);
template void embedding_backward<CudaDevice, float>(const EmbeddingBackward<float>&, Range, void*);
template void embedding_forward<CudaDevice, double>(const EmbeddingForward<double>&, Range, void*);
template void embedding_backward<CudaDevice, double>(const EmbeddingBackward<double>&, Range, void*);
template void embedding_forward<CudaDevice, BFloat16>(const EmbeddingForward<BFloat16>&, Range, void*);
template void embedding_backward<CudaDevice, BFloat16>(const EmbeddingBackward<BFloat16>&, Range, void*);

}  // namespace trellis::cuda
