// Float32 rows as two bfloat16 parts (kernels/convert.h). Included into the namespace of cpu_kernels.cpp, behind kBlock.

// The bits of the nearest bfloat16, as a float's; NaN stays NaN. In whole numbers alone, which vectorises.
inline std::uint32_t nearest_bfloat16(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  const std::uint32_t nearest = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
  return (bits & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : nearest;
}

void split_rows(const SplitRows& k, Range rows, void*) {
  const std::int64_t low_at = k.factor == SplitRows::Factor::first ? 2 * k.columns : k.columns;
  const std::int64_t again_at = 3 * k.columns - low_at;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* __restrict const from = k.from + row * k.stride;
    BFloat16* const parts = k.parts + row * 3 * k.columns;
    for (std::int64_t begin = 0; begin < k.columns; begin += kBlock) {
      const std::int64_t width = begin + kBlock < k.columns ? kBlock : k.columns - begin;
      std::uint16_t high[kBlock], low[kBlock];
      for (std::int64_t n = 0; n < width; ++n) {
        const float value = from[begin + n];
        const std::uint32_t bits = nearest_bfloat16(value);
        float near;
        __builtin_memcpy(&near, &bits, sizeof near);
        high[n] = static_cast<std::uint16_t>(bits >> 16);
        low[n] = static_cast<std::uint16_t>(nearest_bfloat16(value - near) >> 16);
      }
      const auto bytes = static_cast<std::size_t>(width) * sizeof *high;
      __builtin_memcpy(parts + begin, high, bytes);
      __builtin_memcpy(parts + again_at + begin, high, bytes);
      __builtin_memcpy(parts + low_at + begin, low, bytes);
    }
  }
}
