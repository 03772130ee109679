#include "checkpoint/tensor_slice.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr std::size_t kLongestName = 200, kMostDimensions = 8;
constexpr std::int64_t kMostBytes = std::int64_t{1} << 62;

bool name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

}  // namespace

std::string_view element_name(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return "float32";
    case ElementType::float64:
      return "float64";
    case ElementType::int64:
      return "int64";
  }
  return "";
}

std::optional<ElementType> element_type_named(std::string_view name) {
  for (const ElementType type : {ElementType::float32, ElementType::float64, ElementType::int64})
    if (name == element_name(type)) return type;
  return std::nullopt;
}

std::int64_t TensorInfo::row_bytes() const {
  std::int64_t bytes = element_bytes(type);
  for (std::size_t d = 1; d < shape.size(); ++d) bytes *= shape[d];
  return bytes;
}

std::optional<std::string> fault_of(const TensorInfo& tensor) {
  if (tensor.name.empty() || tensor.name.size() > kLongestName || tensor.name.front() == '.' ||
      !std::ranges::all_of(tensor.name, name_character))
    return "a tensor's name must be 1 to 200 characters of A-Z a-z 0-9 . _ - and not begin with a dot";
  if (tensor.shape.empty() || tensor.shape.size() > kMostDimensions)
    return "tensor " + tensor.name + " has " + std::to_string(tensor.shape.size()) + " dimensions, expected 1 to 8";
  std::int64_t bytes = element_bytes(tensor.type);
  for (const std::int64_t size : tensor.shape) {
    if (size < 1)
      return "tensor " + tensor.name + " has a dimension of " + std::to_string(size) + ", expected at least 1";
    if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > kMostBytes)
      return "tensor " + tensor.name + " claims more than 2^62 bytes";
  }
  return std::nullopt;
}

}  // namespace trellis
