// The first pass over a text: checks it, counts its tokens, and, for the training split, how often each occurs.
#pragma once

#include <cstdint>
#include <vector>

#include "corpus/corpus_manifest.h"
#include "corpus/tokenize.h"
#include "corpus/vocabulary.h"
#include "preprocessing/text_blocks.h"

namespace trellis {

// Whether the kinds of tokens are counted, or only the tokens.
enum class Count { kinds, tokens };

// Not for more than one thread: each has its own, and they are merged.
class TokenCounter {
 public:
  TokenCounter(Unit unit, Lines lines, Count what);

  // Throws DataError with file and byte for text that is not UTF-8 (unit word and char) and for words above
  // kMaxWordBytes.
  void add(const TextBlock& block);
  void merge(const TokenCounter& other);

  std::int64_t tokens() const { return tokens_; }
  TextSize text_size() const { return text_; }
  // Tokens that occur less than min_count times become <unk>, which then is there even if none does; <eos> never does.
  Vocabulary vocabulary(std::uint64_t min_count) const;

 private:
  void count_words(const TextBlock& block);
  void count_symbols(const TextBlock& block);

  Unit unit_;
  Lines lines_;
  Count what_;
  std::int64_t tokens_ = 0;
  TextSize text_;
  std::uint64_t line_ends_ = 0;
  WordTable words_;
  std::vector<std::uint64_t> word_counts_;
  std::vector<std::uint64_t> symbol_counts_;  // [kSymbols] when used
};

}  // namespace trellis
