#include <dlfcn.h>
#include <unistd.h>

#include <climits>
#include <filesystem>

#include "base/errors.h"
#include "base/system_error.h"
#include "comm/cuda_module.h"

namespace trellis {
namespace {

// ../lib beside the folder of this program: build/bin and build/lib, or bin and lib of an installation.
std::filesystem::path module_path() {
  char executable[PATH_MAX] = {};
  const ssize_t length = readlink("/proc/self/exe", executable, sizeof executable - 1);
  if (length <= 0) return {};
  return std::filesystem::path(std::string(executable, length)).parent_path().parent_path() / "lib" / "libtrellis_cuda.so";
}

const CudaModule& load() {
  if (!has_cuda_module())
    throw ConfigError("this build has no CUDA", "train.device = cuda",
                      "run launch/build on a machine with nvcc in PATH or CUDA_HOME set, or set train.device = cpu");
  const std::string path = module_path().string();
  // Never unloaded: LibTorch's CUDA library registers itself for the life of the process.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    throw ConfigError(std::string("the CUDA part cannot be loaded: ") + dlerror(), path,
                      "run launch/build again, which fetches the NVIDIA libraries, or set train.device = cpu");
  const auto entry = reinterpret_cast<const CudaModule* (*)()>(dlsym(library, kCudaModuleEntry));
  if (!entry) throw ConfigError(std::string("no function ") + kCudaModuleEntry, path, "run launch/build again");
  const CudaModule& module = *entry();
  if (module.version != CudaModule::kVersion)
    throw ConfigError("version " + std::to_string(module.version) + ", expected " + std::to_string(CudaModule::kVersion), path,
                      "run launch/build again");
  register_cuda_kernels(module.kernels);
  set_range_hooks(module.ranges);
  return module;
}

}  // namespace

// A module that cannot be looked at is no build without one: the error says so.
bool has_cuda_module() { return kind_of_path(module_path()) != PathKind::absent; }

const CudaModule& cuda_module() {
  static const CudaModule& module = load();
  return module;
}

}  // namespace trellis
