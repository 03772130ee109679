// From text to token ids: the files of a corpus (preprocessing/) and prompts (corpus/prompt.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/tokenize.h"
#include "corpus/vocabulary.h"

namespace trellis {

class TokenEncoder {
 public:
  // The vocabulary must outlive this. origin: what it was made from, for errors ("the training text").
  // Throws DataError when lines end with <eos> and the vocabulary has none, and for a vocabulary of characters or bytes
  // with a token that is not one.
  TokenEncoder(const Vocabulary& vocabulary, Lines lines, std::string origin);

  Unit unit() const { return vocabulary_.unit(); }

  // Appends the text's ids to `ids`. Returns how many of them are <unk>. For Unit::character the text must be UTF-8
  // (corpus/utf8.h). Throws TextError at a token outside a vocabulary without <unk>. Safe from many threads.
  std::int64_t encode(const TextPiece& piece, std::vector<std::uint32_t>& ids) const;

 private:
  [[noreturn]] void throw_unknown(std::size_t at, std::string_view token) const;

  const Vocabulary& vocabulary_;
  Lines lines_;
  std::string origin_;
  std::uint32_t end_of_line_ = WordTable::kAbsent, unknown_ = WordTable::kAbsent;
  std::vector<std::uint32_t> symbol_ids_;  // [kSymbols] for char and byte, kAbsent outside the vocabulary
};

}  // namespace trellis
