#include "corpus/utf8.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fmt/core.h>
#include <utf8proc.h>

#include "corpus/text_error.h"

namespace trellis {

void check_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t eight = 0;
    if (at + sizeof eight <= text.size()) {
      std::memcpy(&eight, text.data() + at, sizeof eight);
      if ((eight & 0x8080808080808080ULL) == 0) {
        at += sizeof eight;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    utf8proc_int32_t point = 0;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                         static_cast<utf8proc_ssize_t>(text.size() - at), &point);
    if (length < 1)
      throw TextError(fmt::format("invalid UTF-8: byte 0x{:02x}", static_cast<unsigned char>(text[at])), at);
    at += static_cast<std::size_t>(length);
  }
}

std::int64_t code_points(std::string_view text) {
  // every code point has one byte that is no continuation, 10xxxxxx
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace trellis
