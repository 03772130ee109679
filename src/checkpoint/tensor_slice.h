// The tensors of a checkpoint as plain memory: what the whole tensor is, and which of its rows this rank holds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/shard_range.h"

namespace trellis {

enum class ElementType { float32, float64, int64 };

constexpr std::int64_t element_bytes(ElementType type) { return type == ElementType::float32 ? 4 : 8; }
std::string_view element_name(ElementType type);                       // "float32", ...
std::optional<ElementType> element_type_named(std::string_view name);  // empty for any other text

// One tensor, whole, as the manifest lists it. The shape has 1 to 8 dimensions, each >= 1; a scalar is {1}.
// Names are 1 to 200 characters of A-Z a-z 0-9 . _ - and do not begin with a dot.
struct TensorInfo {
  std::string name;
  ElementType type = ElementType::float32;
  std::vector<std::int64_t> shape;

  std::int64_t rows() const { return shape.empty() ? 0 : shape.front(); }
  std::int64_t row_bytes() const;  // bytes of one index of dimension 0
  std::int64_t bytes() const { return rows() * row_bytes(); }
  bool operator==(const TensorInfo&) const = default;
};

// What is wrong with the name or shape, or nothing. Shapes whose bytes exceed 2^62 are wrong, so the sums above are
// safe.
std::optional<std::string> fault_of(const TensorInfo& tensor);

// Neighbouring rows of a tensor, perhaps none, and where the first of them lies; row-major and contiguous.
struct TensorRows {
  Range rows;
  const void* data = nullptr;
};

// This rank's part of a tensor: any rows of it in any order, perhaps none.
struct TensorSlice {
  std::string name;
  ElementType type = ElementType::float32;
  std::vector<std::int64_t> shape;  // of the whole tensor
  std::vector<TensorRows> pieces;

  TensorInfo info() const { return {name, type, shape}; }
};

}  // namespace trellis
