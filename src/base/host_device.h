// Marks functions that CUDA kernels use as well as the CPU: the same arithmetic, tested where there is no GPU.
#pragma once

#ifdef __CUDACC__
#define TRELLIS_HOST_DEVICE __host__ __device__
#else
#define TRELLIS_HOST_DEVICE
#endif
