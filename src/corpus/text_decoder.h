// From token ids back to text, one token at a time, as a network generates them. TokenEncoder makes the same ids of the
// text again, but for <unk> in a vocabulary of characters or bytes, where it is five symbols.
//   word        one blank between two words; none at the beginning of a line, nor before a newline
//   char, byte  one behind the other; the text is UTF-8 (char), or whatever the bytes are
// Where lines end with <eos> it is a newline; else, and <unk> always, a token is written as the vocabulary spells it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "corpus/vocabulary.h"

namespace trellis {

class TextDecoder {
 public:
  // The vocabulary must outlive this. before: what the decoded text follows, the prompt, say; of which only matters
  // whether it ends within a word. Nothing: the text begins a line.
  TextDecoder(const Vocabulary& vocabulary, Lines lines, std::string_view before = {});

  // What the token `id`, 0 <= id < vocabulary.size(), adds to the text.
  std::string append(std::int64_t id);

 private:
  const Vocabulary& vocabulary_;
  Lines lines_;
  bool after_word_;  // for Unit::word: the next word is to be set apart by a blank
};

}  // namespace trellis
