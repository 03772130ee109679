#include "weights/safetensors_dtype.h"

#include <array>
#include <cstddef>

namespace trellis {
namespace {

struct DtypeEntry {
  SafetensorsDtype dtype;
  std::string_view name;
  int bits;
};
constexpr std::array<DtypeEntry, 22> kDtypes = {{
    {SafetensorsDtype::boolean, "BOOL", 8},
    {SafetensorsDtype::f4, "F4", 4},
    {SafetensorsDtype::f6_e2m3, "F6_E2M3", 6},
    {SafetensorsDtype::f6_e3m2, "F6_E3M2", 6},
    {SafetensorsDtype::u8, "U8", 8},
    {SafetensorsDtype::i8, "I8", 8},
    {SafetensorsDtype::f8_e5m2, "F8_E5M2", 8},
    {SafetensorsDtype::f8_e4m3, "F8_E4M3", 8},
    {SafetensorsDtype::f8_e8m0, "F8_E8M0", 8},
    {SafetensorsDtype::f8_e4m3fnuz, "F8_E4M3FNUZ", 8},
    {SafetensorsDtype::f8_e5m2fnuz, "F8_E5M2FNUZ", 8},
    {SafetensorsDtype::i16, "I16", 16},
    {SafetensorsDtype::u16, "U16", 16},
    {SafetensorsDtype::f16, "F16", 16},
    {SafetensorsDtype::bf16, "BF16", 16},
    {SafetensorsDtype::i32, "I32", 32},
    {SafetensorsDtype::u32, "U32", 32},
    {SafetensorsDtype::f32, "F32", 32},
    {SafetensorsDtype::c64, "C64", 64},
    {SafetensorsDtype::f64, "F64", 64},
    {SafetensorsDtype::i64, "I64", 64},
    {SafetensorsDtype::u64, "U64", 64},
}};
constexpr bool table_is_in_order() {
  for (std::size_t i = 0; i < kDtypes.size(); ++i)
    if (static_cast<std::size_t>(kDtypes[i].dtype) != i) return false;
  return true;
}
static_assert(table_is_in_order(), "the table is indexed by the type");

}  // namespace

std::string_view dtype_name(SafetensorsDtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].name; }

std::optional<SafetensorsDtype> safetensors_dtype_named(std::string_view name) {
  for (const DtypeEntry& entry : kDtypes)
    if (entry.name == name) return entry.dtype;
  return std::nullopt;
}

int dtype_bits(SafetensorsDtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)].bits; }

}  // namespace trellis
