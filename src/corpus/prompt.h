// A prompt: the beginning of a text that a network is to continue.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/token_encoder.h"

namespace trellis {

// The prompt's token ids, by the rules for files (corpus/tokenize.h), but for its end: a last line without newline is
// open, so no <eos> ends it, and what is generated goes on in it. A byte order mark at the start is left out, unless
// tokens are bytes. Empty when there is no token in it.
// name: how errors call it ("prompt"). Throws DataError with the line for text that is not UTF-8 (word and char) and
// for a token outside a vocabulary without <unk>.
std::vector<std::int64_t> encode_prompt(const TokenEncoder& encoder, std::string_view prompt, const std::string& name);

}  // namespace trellis
