// The second pass over a text: tokens to ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "corpus/vocabulary.h"
#include "preprocessing/text_blocks.h"
#include "preprocessing/tokenize.h"

namespace trellis {

class TokenEncoder {
 public:
  // The vocabulary must outlive this. origin: what it was made from, for errors ("the training text").
  // Throws DataError when lines end with <eos> and the vocabulary has none.
  TokenEncoder(const Vocabulary& vocabulary, Lines lines, std::string origin);

  // Appends the block's ids to `ids`. Returns how many of them are <unk>. Throws DataError with token, file and line
  // for a token outside a vocabulary without <unk>. Safe from many threads.
  std::int64_t encode(const TextBlock& block, std::vector<std::uint32_t>& ids) const;

 private:
  [[noreturn]] void throw_unknown(const TextBlock& block, std::size_t at, std::string_view token) const;

  const Vocabulary& vocabulary_;
  Lines lines_;
  std::string origin_;
  std::uint32_t end_of_line_ = WordTable::kAbsent, unknown_ = WordTable::kAbsent;
  std::vector<std::uint32_t> symbol_ids_;  // [kSymbols] for char and byte, kAbsent outside the vocabulary
};

}  // namespace trellis
