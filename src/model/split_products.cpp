#include "model/split_products.h"

#include <ATen/cpu/Utils.h>

#include <limits>

// MKL's Fortran interface, which LibTorch's builds with MKL export; null in the others.
extern "C" [[gnu::weak]] void GEMM_BF16BF16F32(const char* transposed_a, const char* transposed_b, const int* m, const int* n, const int* k,
                                               const float* alpha, const trellis::BFloat16* a, const int* lda, const trellis::BFloat16* b,
                                               const int* ldb, const float* beta, float* c, const int* ldc);

namespace trellis {
namespace {

constexpr std::int64_t kLeastDepth = 16;  // below it, splitting costs more than the product

bool in_use = false;

// The parts of a factor, [rows, 3 columns] in bfloat16, in memory that is kept for the next ones: as large as the largest so far.
const BFloat16* split(const at::Tensor& matrix, SplitRows::Factor factor, at::Tensor& parts) {
  const std::int64_t rows = matrix.size(0), columns = matrix.size(1), needed = 3 * rows * columns;
  if (!parts.defined() || parts.numel() < needed) parts = at::empty({needed}, matrix.options().dtype(at::kBFloat16));
  const SplitRows args{.factor = factor,
                       .columns = columns,
                       .from = matrix.const_data_ptr<float>(),
                       .stride = matrix.stride(0),
                       .parts = mutable_data<BFloat16>(parts)};
  launch(at::kCPU, cpu_kernels<BFloat16>().split_rows, args, {0, rows}, grain_for(columns));
  return const_data<BFloat16>(parts);
}

bool fits(std::int64_t size) { return size <= std::numeric_limits<int>::max(); }

}  // namespace

bool has_split_products() {
  static const bool has = GEMM_BF16BF16F32 != nullptr && at::cpu::init_amx();
  return has;
}

void use_split_products(bool on) {
  require(!on || has_split_products(), "products are split only where matrix units multiply the parts");
  in_use = on;
}

bool split_products_in_use() { return in_use; }

bool can_split(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b) {
  return out.is_cpu() && out.scalar_type() == at::kFloat && a.scalar_type() == at::kFloat && b.scalar_type() == at::kFloat &&
         a.size(1) >= kLeastDepth && out.stride(1) == 1 && a.stride(1) == 1 && b.stride(0) == 1 && fits(out.size(0)) && fits(out.stride(0)) &&
         fits(3 * a.size(1)) && fits(out.size(1));
}

void multiply_split(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, Accumulate accumulate) {
  require(can_split(out, a, b), "matrices whose products cannot be split");
  static thread_local at::Tensor first_parts, second_parts;
  const BFloat16* const first = split(a, SplitRows::Factor::first, first_parts);
  const BFloat16* const second = split(b.t(), SplitRows::Factor::second, second_parts);
  const int m = static_cast<int>(out.size(0)), n = static_cast<int>(out.size(1)), depth = static_cast<int>(3 * a.size(1));
  const int distance = m == 1 ? n : static_cast<int>(out.stride(0));
  const float once = 1, before = accumulate == Accumulate::add ? 1 : 0;
  // Fortran's matrices are column by column: out^T = b^T a^T
  GEMM_BF16BF16F32("T", "N", &n, &m, &depth, &once, second, &depth, first, &depth, &before, out.mutable_data_ptr<float>(), &distance);
}

}  // namespace trellis
