// The functions of libtrellis_cuda.so, see comm/cuda_module.h.
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdlib>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include "comm/cuda/nvtx_ranges.h"
#include "comm/cuda_module.h"
#include "kernels/cuda/cuda_tables.h"

namespace trellis {
namespace {

// Our watchdog's backstop: on an error or timeout end the process rather than hang, and leave a record of what each rank
// was doing. Whatever the user has set stays.
void set_environment_defaults() {
  constexpr int keep = 0;
  setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "1", keep);
  setenv("TORCH_FR_BUFFER_SIZE", "2000", keep);  // entries of the flight recorder
  setenv("TORCH_NCCL_DUMP_ON_TIMEOUT", "1", keep);
}

int device_count() { return c10::cuda::device_count(); }

void set_device(int index) { c10::cuda::set_device(static_cast<c10::DeviceIndex>(index)); }

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank, int size,
                                                    int device_index, std::chrono::milliseconds timeout,
                                                    const std::string& group_name) {
  set_environment_defaults();
  set_device(device_index);  // before any communicator: NCCL takes the current one
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  options->group_name = group_name;
  auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(
      c10::make_intrusive<c10d::PrefixStore>("nccl/" + group_name, store), rank, size, options);
  backend->setBoundDeviceId(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device_index)));
  return backend;
}

void* current_stream(int device_index) {
  return c10::cuda::getCurrentCUDAStream(static_cast<c10::DeviceIndex>(device_index)).stream();
}

const CudaModule& module() {
  static const CudaKernels kernels = {&cuda::device_table<float>(), &cuda::device_table<double>(), &cuda::device_table<BFloat16>(), current_stream};
  static const CudaModule all = {CudaModule::kVersion, device_count, set_device, make_nccl_backend, &kernels, &kNvtxRanges};
  return all;
}

}  // namespace
}  // namespace trellis

extern "C" __attribute__((visibility("default"))) const trellis::CudaModule* trellis_cuda_module() { return &trellis::module(); }
