// Chooses the fastest compiled instruction set that this processor has.
#include "kernels/table.h"

namespace trellis {
namespace isa_v2 {
template <class A>
KernelTable<A> kernel_table();
}
namespace isa_v3 {
template <class A>
KernelTable<A> kernel_table();
}
namespace isa_v4 {
template <class A>
KernelTable<A> kernel_table();
}

template <class A>
std::vector<KernelTable<A>> usable_cpu_kernels() {
  __builtin_cpu_init();
  std::vector<KernelTable<A>> tables;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    tables.push_back(isa_v4::kernel_table<A>());
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
    tables.push_back(isa_v3::kernel_table<A>());
  }
  tables.push_back(isa_v2::kernel_table<A>());
  return tables;
}

template <class A>
const KernelTable<A>& cpu_kernels() {
  static const KernelTable<A> table = usable_cpu_kernels<A>().front();
  return table;
}

template std::vector<KernelTable<float>> usable_cpu_kernels<float>();
template std::vector<KernelTable<double>> usable_cpu_kernels<double>();
template std::vector<KernelTable<BFloat16>> usable_cpu_kernels<BFloat16>();
template const KernelTable<float>& cpu_kernels<float>();
template const KernelTable<double>& cpu_kernels<double>();
template const KernelTable<BFloat16>& cpu_kernels<BFloat16>();

}  // namespace trellis
