#include "corpus/prompt.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/errors.h"
#include "corpus/text_error.h"
#include "corpus/utf8.h"

namespace trellis {

std::vector<std::int64_t> encode_prompt(const TokenEncoder& encoder, std::string_view prompt, const std::string& name) {
  const bool marked = encoder.unit() != Unit::byte && prompt.starts_with(kByteOrderMark);
  const std::size_t start = marked ? kByteOrderMark.size() : 0;
  const std::string_view text = prompt.substr(start);
  const auto line_of = [&](const TextError& error) {
    const std::string_view before = text.substr(0, error.offset());
    return 1 + std::count(before.begin(), before.end(), '\n');
  };
  if (encoder.unit() != Unit::byte) {
    try {
      check_utf8(text);
    } catch (const TextError& error) {
      throw DataError(error.fact(), fmt::format("{}, byte {}, line {}", name, start + error.offset(), line_of(error)),
                      "give it in UTF-8");
    }
  }
  std::vector<std::uint32_t> ids;
  try {
    encoder.encode({text, false}, ids);
  } catch (const TextError& error) {
    throw DataError(error.fact(), fmt::format("{}, line {}", name, line_of(error)),
                    fmt::format("leave it out, or take another {}", unit_name(encoder.unit())));
  }
  return {ids.begin(), ids.end()};
}

}  // namespace trellis
