// Chooses the fastest compiled instruction set that this processor has.
#include "kernels/table.h"

namespace trellis {
namespace isa_v2 {
template <class T>
KernelTable<T> kernel_table();
}
namespace isa_v3 {
template <class T>
KernelTable<T> kernel_table();
}
namespace isa_v4 {
template <class T>
KernelTable<T> kernel_table();
}

template <class T>
std::vector<KernelTable<T>> usable_cpu_kernels() {
  __builtin_cpu_init();
  std::vector<KernelTable<T>> tables;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    tables.push_back(isa_v4::kernel_table<T>());
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    tables.push_back(isa_v3::kernel_table<T>());
  }
  tables.push_back(isa_v2::kernel_table<T>());
  return tables;
}

template <class T>
const KernelTable<T>& cpu_kernels() {
  static const KernelTable<T> table = usable_cpu_kernels<T>().front();
  return table;
}

template std::vector<KernelTable<float>> usable_cpu_kernels<float>();
template std::vector<KernelTable<double>> usable_cpu_kernels<double>();
template const KernelTable<float>& cpu_kernels<float>();
template const KernelTable<double>& cpu_kernels<double>();

}  // namespace trellis
