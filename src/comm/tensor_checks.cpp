#include "comm/tensor_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "base/errors.h"

namespace trellis {
namespace {

void expect_rows(const at::Tensor& tensor, std::span<const std::int64_t> rows, int ranks, const char* operation) {
  if (!tensor.defined() || tensor.dim() == 0)
    throw InternalError(fmt::format("{} has no rows", describe(tensor)), operation, "pass a tensor whose dimension 0 is rows");
  if (static_cast<int>(rows.size()) != ranks)
    throw InternalError(fmt::format("rows for {} ranks in a group of {}", rows.size(), ranks), operation, "");
  const bool negative = std::any_of(rows.begin(), rows.end(), [](std::int64_t n) { return n < 0; });
  if (negative || std::accumulate(rows.begin(), rows.end(), std::int64_t{0}) != tensor.size(0))
    throw InternalError(fmt::format("{} is not [{}] rows", describe(tensor), fmt::join(rows, " + ")), operation, "");
}

}  // namespace

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "undefined tensor";
  return fmt::format("{} [{}]", c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", "));
}

std::span<std::byte> tensor_bytes(const at::Tensor& tensor, const char* operation) {
  if (!tensor.defined()) throw InternalError("undefined tensor", operation, "");
  if (!tensor.device().is_cpu())
    throw InternalError(fmt::format("{} is on {}, expected cpu", describe(tensor), tensor.device().str()), operation,
                        "use the process group of the tensor's device");
  if (!tensor.is_contiguous())
    throw InternalError(fmt::format("{} with strides [{}] is not contiguous", describe(tensor), fmt::join(tensor.strides(), ", ")),
                        operation, "pass tensor.contiguous(), and copy back what is received");
  return {static_cast<std::byte*>(tensor.data_ptr()), static_cast<std::size_t>(tensor.nbytes())};
}

at::Tensor& only_tensor(std::vector<at::Tensor>& tensors, const char* operation) {
  if (tensors.size() != 1)
    throw InternalError(fmt::format("a list of {} tensors, expected 1", tensors.size()), operation, "");
  return tensors[0];
}

void expect_parts(const at::Tensor& whole, const at::Tensor& part, int ranks, const char* operation) {
  if (whole.scalar_type() != part.scalar_type() || whole.numel() != part.numel() * ranks)
    throw InternalError(fmt::format("{} is not {} times {}", describe(whole), ranks, describe(part)), operation, "");
}

void expect_exchange(const at::Tensor& output, const at::Tensor& input, std::span<const std::int64_t> receive_rows,
                     std::span<const std::int64_t> send_rows, int rank, int ranks) {
  constexpr const char* operation = "all_to_all";
  expect_rows(output, receive_rows, ranks, operation);
  expect_rows(input, send_rows, ranks, operation);
  if (output.scalar_type() != input.scalar_type() || output.sizes().slice(1) != input.sizes().slice(1))
    throw InternalError(fmt::format("the rows of {} are not those of {}", describe(output), describe(input)), operation, "");
  if (receive_rows[rank] != send_rows[rank])
    throw InternalError(fmt::format("rank {} keeps {} rows, but its output has room for {}", rank, send_rows[rank], receive_rows[rank]),
                        operation, "");
}

std::vector<std::span<std::byte>> row_parts(const at::Tensor& tensor, std::span<const std::int64_t> rows, const char* operation) {
  const auto bytes = tensor_bytes(tensor, operation);
  const std::size_t row_bytes = tensor.size(0) == 0 ? 0 : bytes.size() / static_cast<std::size_t>(tensor.size(0));
  std::vector<std::span<std::byte>> parts;
  std::size_t begin = 0;
  for (const std::int64_t n : rows) {
    parts.push_back(bytes.subspan(begin, static_cast<std::size_t>(n) * row_bytes));
    begin += parts.back().size();
  }
  return parts;
}

void expect_rank(int peer, int size, const char* operation) {
  if (peer < 0 || peer >= size)
    throw InternalError(fmt::format("rank {} is not in a group of {}", peer, size), operation, "");
}

Reduction supported_reduction(const c10d::ReduceOp& op, at::ScalarType dtype, const char* operation) {
  switch (dtype) {
    case at::kFloat:
    case at::kDouble:
    case at::kLong:
    case at::kInt:
    case at::kByte:
    case at::kBool: break;
    default:
      throw InternalError(fmt::format("{} cannot be reduced", c10::toString(dtype)), operation,
                          "convert to float32, float64, int64, int32 or uint8");
  }
  switch (op.op_) {
    case c10d::ReduceOp::SUM:
      if (dtype == at::kBool) throw InternalError("bool tensors have no sum", operation, "use max for any, min for all");
      return Reduction::sum;
    case c10d::ReduceOp::MAX: return Reduction::max;
    case c10d::ReduceOp::MIN: return Reduction::min;
    default:
      throw InternalError(fmt::format("reduction {} is neither sum, max nor min", static_cast<int>(op.op_)), operation, "");
  }
}

}  // namespace trellis
