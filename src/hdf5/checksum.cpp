#include "hdf5/checksum.h"

#include <bit>

namespace trellis {

std::uint32_t hdf5_checksum(std::span<const std::byte> bytes) {
  std::uint32_t a = 0xdeadbeef + static_cast<std::uint32_t>(bytes.size()), b = a, c = a;
  // Little-endian word from `count` bytes, fewer than four at the end of the text.
  const auto word = [](std::span<const std::byte> from) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < from.size() && i < 4; ++i) value |= static_cast<std::uint32_t>(from[i]) << (8 * i);
    return value;
  };
  const auto tail = [](std::span<const std::byte> from, std::size_t begin) {
    return from.subspan(begin < from.size() ? begin : from.size());
  };
  while (bytes.size() > 12) {
    a += word(bytes), b += word(bytes.subspan(4)), c += word(bytes.subspan(8));
    a -= c, a ^= std::rotl(c, 4), c += b;
    b -= a, b ^= std::rotl(a, 6), a += c;
    c -= b, c ^= std::rotl(b, 8), b += a;
    a -= c, a ^= std::rotl(c, 16), c += b;
    b -= a, b ^= std::rotl(a, 19), a += c;
    c -= b, c ^= std::rotl(b, 4), b += a;
    bytes = bytes.subspan(12);
  }
  if (bytes.empty()) return c;
  a += word(bytes), b += word(tail(bytes, 4)), c += word(tail(bytes, 8));
  c ^= b, c -= std::rotl(b, 14);
  a ^= c, a -= std::rotl(c, 11);
  b ^= a, b -= std::rotl(a, 25);
  c ^= b, c -= std::rotl(b, 16);
  a ^= c, a -= std::rotl(c, 4);
  b ^= a, b -= std::rotl(a, 14);
  c ^= b, c -= std::rotl(b, 24);
  return c;
}

}  // namespace trellis
