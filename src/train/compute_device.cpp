#include "train/compute_device.h"

#include <ATen/Context.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/host_name.h"
#include "base/log.h"
#include "comm/cuda_module.h"
#include "comm/faults/rendezvous.h"
#include "comm/node.h"
#include "model/split_products.h"
#include "mpi/agreement.h"
#include "train/from_settings.h"

namespace trellis {
namespace {

// Said before the module is loaded, which takes seconds.
void require_driver() {
  if (gpu_is_visible()) return;
  throw ConfigError("cuda is asked for, but no NVIDIA driver shows a GPU here", "train.device, or --device",
                    "look at nvidia-smi and CUDA_VISIBLE_DEVICES, or give cpu");
}

int gpu_of(const NodePlace& place) {
  const int gpus = cuda_module().device_count();
  if (gpus == 0) {
    throw ConfigError("cuda is asked for, but LibTorch finds no GPU that it can use", "train.device, or --device",
                      "is the driver new enough for the CUDA of this LibTorch? look at nvidia-smi, or give cpu");
  }
  // one visible GPU: a scheduler gave each rank its own
  if (gpus > 1 && place.size > gpus) {
    throw ConfigError(fmt::format("{} ranks on this machine, but it has {} GPUs", place.size, gpus), "train.device = cuda",
                      fmt::format("start {} ranks here: each has a GPU of its own", gpus));
  }
  return place.rank % gpus;
}

}  // namespace

bool gpu_is_visible() {
  void* const driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  if (!driver) return false;
  const auto initialise = reinterpret_cast<int (*)(unsigned)>(dlsym(driver, "cuInit"));
  const auto count = reinterpret_cast<int (*)(int*)>(dlsym(driver, "cuDeviceGetCount"));
  int gpus = 0;
  return initialise && count && initialise(0) == 0 && count(&gpus) == 0 && gpus > 0;
}

at::Device choose_device(const Communicator& world, DeviceChoice choice) {
  if (choice == DeviceChoice::cpu) return at::kCPU;
  const bool usable = has_cuda_module() && gpu_is_visible();
  if (choice == DeviceChoice::automatic && world.all_reduce(std::int64_t{usable}, Reduction::min) == 0) return at::kCPU;
  const NodePlace place = node_place(world);
  const int index = agree(world, [&] {
    require_driver();
    const int gpu = gpu_of(place);
    cuda_module().set_device(gpu);
    return gpu;
  });
  const auto places = world.gather(fmt::format("{} on {} GPU {}", world.rank(), host_name(), index), 0);
  if (world.rank() == 0) log_info("rank {}", fmt::join(places, ", rank "));
  return {at::kCUDA, static_cast<at::DeviceIndex>(index)};
}

MeshGroups mesh_groups_on(const Ranks& ranks, at::Device device, const Mesh& mesh) {
  if (ranks.size() == 1) return lone_mesh_groups();
  Watchdog* const watchdog = ranks.group.watchdog();
  if (device.is_cpu()) return make_mesh_groups(mesh, ranks.group, split_communicator(ranks.world, device, watchdog));
  const StorePtr store = make_store(ranks.world);
  const BackendOptions options = {.group_name = "gpus", .timeout = backend_timeout(watchdog)};
  const ProcessGroup gpus(make_backend(device, ranks.world, options, store), "gpus", watchdog);
  return make_mesh_groups(mesh, gpus, split_communicator(ranks.world, device, watchdog, store));
}

at::Device first_gpu() {
  require_driver();
  cuda_module().set_device(gpu_of({}));
  return {at::kCUDA, 0};
}

at::TensorOptions evaluation_options(const Communicator& world, Settings settings) {
  const at::Device device = choose_device(world, DeviceChoice::automatic);
  if (device.is_cpu() && settings.train.precision == Precision::tf32) settings.train.precision = Precision::float32;
  set_product_precision(settings.train.precision == Precision::tf32);
  return tensor_options_from(settings, device);
}

bool use_split_products_on_all(const Communicator& world, const at::TensorOptions& options) {
  const bool here = options.device().is_cpu() && c10::typeMetaToScalarType(options.dtype()) == at::kFloat && has_split_products();
  const bool everywhere = world.all_reduce(std::int64_t{here}, Reduction::min) == 1;
  use_split_products(everywhere);
  return everywhere;
}

void set_product_precision(bool tf32) {
  at::globalContext().setAllowTF32CuBLAS(tf32);
  // sums over 100,000 rows and more are split, and LibTorch would by default let bf16 hold their parts
  at::globalContext().setAllowBF16ReductionCuBLAS(false);
}

}  // namespace trellis
