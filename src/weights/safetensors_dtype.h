// The element types of safetensors files.
#pragma once

#include <optional>
#include <string_view>

namespace trellis {

// Every element type of the format, in the order of the reference implementation: by rising alignment. Files hold the
// tensors of later types first, so the order is part of what is written.
enum class SafetensorsDtype {
  boolean,
  f4,
  f6_e2m3,
  f6_e3m2,
  u8,
  i8,
  f8_e5m2,
  f8_e4m3,
  f8_e8m0,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  i16,
  u16,
  f16,
  bf16,
  i32,
  u32,
  f32,
  c64,
  f64,
  i64,
  u64,
};

std::string_view dtype_name(SafetensorsDtype dtype);  // as files spell it: "BOOL", "F32", ...
std::optional<SafetensorsDtype> safetensors_dtype_named(std::string_view name);  // empty for any other text
int dtype_bits(SafetensorsDtype dtype);                                          // of one element: 4 to 64

}  // namespace trellis
