// The header of a safetensors file: which tensors it holds, of what type and shape, and where their bytes lie. Text in
// and out, no file is touched. The format is https://github.com/huggingface/safetensors; docs/formats.md, "Weights
// exchange", says what of it is read and written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "weights/safetensors_dtype.h"

namespace trellis {

struct SafetensorsTensor {
  std::string name;
  SafetensorsDtype dtype = SafetensorsDtype::f32;
  std::vector<std::int64_t> shape;  // row-major; empty for a scalar; a dimension may be 0
  std::int64_t offset = 0;          // of the first byte, from the end of the header
  std::int64_t bytes = 0;

  std::int64_t elements() const;  // 1 for a scalar
  bool operator==(const SafetensorsTensor&) const = default;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

struct SafetensorsHeader {
  std::vector<SafetensorsTensor> tensors;  // in the order of their bytes
  SafetensorsMetadata metadata;            // "__metadata__": whatever the writer had to say, in UTF-8
};

namespace checkpoint {

inline constexpr std::int64_t kSafetensorsLengthBytes = 8;  // in front of the header: its length, little-endian
inline constexpr std::int64_t kLargestSafetensorsHeader = 100'000'000;
inline constexpr std::size_t kMostSafetensorsTensors = 100'000, kMostSafetensorsMetadata = 100'000;
inline constexpr std::size_t kLongestSafetensorsName = 1'000, kMostSafetensorsDimensions = 64;

// The tensors' bytes, or nothing when they are no whole number or the dimensions other than 0 multiply to 2^60 bytes
// or more. Dimensions must not be negative.
std::optional<std::int64_t> safetensors_bytes(SafetensorsDtype dtype, std::span<const std::int64_t> shape);

// Throws DataError naming `where` unless the text is a header whose tensors tile exactly `buffer_bytes` bytes, all keys
// differ, and the limits above hold. Takes memory in proportion to the text and nothing else.
SafetensorsHeader parse_safetensors_header(std::string_view text, std::int64_t buffer_bytes, const std::string& where);

// The reference implementation's bytes for the tensors in this order, padded with blanks to a multiple of 8 bytes. The
// reference writes metadata in random order, this by key; none is left out. Throws DataError naming `where` unless all
// text is UTF-8.
std::string safetensors_header_text(std::span<const SafetensorsTensor> tensors, const SafetensorsMetadata& metadata,
                                    const std::string& where);

// A text from a file as it can stand in a message: quoted, escaped to plain ASCII, cut when it is long.
std::string shown(std::string_view text);

}  // namespace checkpoint
}  // namespace trellis
