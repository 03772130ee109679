// The two 16-bit floating-point formats as float, which holds every value of both exactly. A NaN keeps its sign and
// payload and comes out quiet, as IEEE 754 has it for every conversion.
#pragma once

#include <bit>
#include <cstdint>

namespace trellis::checkpoint {

inline constexpr std::uint32_t kQuietNan = 0x0040'0000;  // the bit that makes a float's NaN a quiet one

// IEEE 754 binary16: sign, 5 bits of exponent (bias 15), 10 bits of fraction.
constexpr float float_of_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) << 16, exponent = (bits >> 10) & 31U, fraction = bits & 1023U;
  if (exponent == 31)  // infinity and NaN
    return std::bit_cast<float>(sign | 0x7f80'0000U | fraction << 13 | (fraction != 0 ? kQuietNan : 0));
  if (exponent == 0)  // zero and subnormals, which are normal numbers of float
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24F));
  return std::bit_cast<float>(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

// bfloat16: the upper half of a float.
constexpr float float_of_bf16(std::uint16_t bits) {
  const bool is_nan = (bits & 0x7fffU) > 0x7f80U;
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16 | (is_nan ? kQuietNan : 0));
}

}  // namespace trellis::checkpoint
