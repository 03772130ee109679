// Runs bodies (block.h) on the current GPU.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

#include "kernels/cuda/block.h"

namespace trellis::cuda {

struct DeviceBlock {
  template <class F>
  __device__ void each(F f) {
    f(static_cast<int>(threadIdx.x));
    __syncthreads();
  }
};

template <class Body>
__global__ void __launch_bounds__(Body::kThreads) run_body(const Body body) {
  __shared__ typename Body::Shared shared;
  body(DeviceBlock{}, static_cast<std::int64_t>(blockIdx.x), shared);
}

struct CudaDevice {
  // Queued on `stream`; never waits. Throws when the launch is refused.
  template <class Body>
  static void run(const Body& body, std::int64_t blocks, void* stream) {
    if (blocks <= 0) return;
    run_body<<<static_cast<unsigned>(blocks), Body::kThreads, 0, static_cast<cudaStream_t>(stream)>>>(body);
    if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
      throw std::runtime_error(std::string("a CUDA kernel could not be launched: ") + cudaGetErrorString(error));
    }
  }
};

}  // namespace trellis::cuda
