// Whether a text is UTF-8, as words and characters must be.
#pragma once

#include <cstdint>
#include <string_view>

namespace trellis {

// What a file may begin with to say that it is UTF-8. It is no text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Throws TextError at the first byte that is not valid UTF-8; overlong forms, surrogates and a cut end are not.
void check_utf8(std::string_view text);

// How many code points a valid text has.
std::int64_t code_points(std::string_view text);

}  // namespace trellis
