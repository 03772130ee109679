// The CPU kernels give the same bits with every compiler and every C library: digests of what they make of fixed input, held here. A
// difference means that a compiler fuses or reorders what it must not, or that the arithmetic was changed: then the bits of every run
// change with it, and these numbers are to be taken anew.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/kernels/kernel_digests.h"

namespace trellis {
namespace {

struct Expected {
  const char* kernel;
  std::uint64_t fused, apart;  // where products and sums are rounded together (AVX2, AVX-512), and apart
};
constexpr Expected kExpected[] = {
    {"adam_update", 0x806747407c678b5cu, 0x806747407c678b5cu},
    {"column_sums", 0xe2dc1dd4723be4e3u, 0xe2dc1dd4723be4e3u},
    {"cross_entropy", 0x55239d1f0837057au, 0xab01806df489ff3cu},
    {"dropout_mask", 0x98aa1ce897079965u, 0x98aa1ce897079965u},
    {"effective_kernel_backward", 0x1e294f9f0806b222u, 0x1e294f9f0806b222u},
    {"effective_kernel_forward", 0xab240b7b66b8a32au, 0xab240b7b66b8a32au},
    {"embedding_backward", 0x43ba1400bb1f96acu, 0x43ba1400bb1f96acu},
    {"embedding_forward", 0xe00f80a2f1df31a4u, 0xe00f80a2f1df31a4u},
    {"exp", 0xb5783e9a91bf6eaau, 0x5cc09daf926ecf96u},
    {"gates_backward", 0x3de1bb86176e9d34u, 0x5aa1d9ed0c3d87e4u},
    {"gates_forward", 0x097be4e92d9eb06eu, 0x2411d2e91bb176bcu},
    {"gather_steps", 0x59a76a6e062ba943u, 0x59a76a6e062ba943u},
    {"lamb_apply", 0x62317de2cd95f0a9u, 0x62317de2cd95f0a9u},
    {"lamb_moments", 0xeb5ae9c0ccde1462u, 0xeb5ae9c0ccde1462u},
    {"lamb_trust", 0xf8538a18792af0e8u, 0xf8538a18792af0e8u},
    {"level_sums", 0xb0c13e70933e455fu, 0xb0c13e70933e455fu},
    {"log", 0x7c766a7e3f5a6603u, 0xb4d70fe834edfe6au},
    {"logistic", 0x98788d2d0f1f5174u, 0xc32b033666624a09u},
    {"round_elements", 0x2be6418e5f2c248cu, 0x2be6418e5f2c248cu},
    {"scatter_add_steps", 0xdbdcb068d99b56fdu, 0xdbdcb068d99b56fdu},
    {"sgd_update", 0x21519de0ea7f539cu, 0x21519de0ea7f539cu},
    {"softmax_gradient", 0x79e5416f4d9a30d1u, 0x8dcb84df1022958cu},
    {"softmax_statistics", 0x803ccfd99978e67bu, 0xad6e38208c8c360cu},
    {"split_rows", 0x7c8f3457d77b4f6bu, 0x7c8f3457d77b4f6bu},
    {"squared_norm", 0x67058dae9e73d7eeu, 0x67058dae9e73d7eeu},
    {"tanh", 0x20e7f3f3b9d0b342u, 0x078ffd8965ec737eu},
    {"widen_rows", 0x684c8b3445d786b5u, 0x684c8b3445d786b5u},
};

TEST(KernelBits, AreTheSameWithEveryCompilerAndCLibrary) {
  const auto tables = usable_cpu_kernels<float>();
  for (std::size_t n = 0; n < tables.size(); ++n) {
    const bool apart = std::strcmp(tables[n].name, "x86-64-v2") == 0;
    const auto digests = kernel_digests(n);
    EXPECT_EQ(digests.size(), std::size(kExpected));
    for (const Expected& expected : kExpected) {
      const auto found = digests.find(expected.kernel);
      ASSERT_NE(found, digests.end()) << expected.kernel;
      EXPECT_EQ(fmt::format("{:#018x}", found->second.value()), fmt::format("{:#018x}", apart ? expected.apart : expected.fused))
          << expected.kernel << " of " << tables[n].name;
    }
  }
}

// Part of the promise: threads cut ranges anywhere.
TEST(KernelBits, AreTheSameHoweverARangeIsCut) {
  for (const auto& table : usable_cpu_kernels<float>()) {
    for (const ElementFunction function : {ElementFunction::exponential, ElementFunction::logarithm, ElementFunction::hyperbolic_tangent, ElementFunction::logistic}) {
      std::vector<float> whole(1'000), parts;
      const RandomStream stream{.seed = 1};
      for (std::size_t n = 0; n < whole.size(); ++n) whole[n] = static_cast<float>(20 * stream.uniform(n));
      parts = whole;
      table.apply_function({.function = function, .values = whole.data()}, {0, 1'000}, nullptr);
      for (std::int64_t begin = 0, size = 1; begin < 1'000; begin += size, ++size) {
        table.apply_function({.function = function, .values = parts.data()}, {begin, std::min<std::int64_t>(1'000, begin + size)}, nullptr);
      }
      EXPECT_EQ(std::memcmp(whole.data(), parts.data(), whole.size() * sizeof(float)), 0) << table.name;
    }
  }
}

}  // namespace
}  // namespace trellis
