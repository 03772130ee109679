#include "preprocessing/token_counter.h"

#include <array>
#include <deque>
#include <fmt/core.h>
#include <span>

#include "base/errors.h"
#include "corpus/text_error.h"
#include "corpus/utf8.h"

namespace trellis {
namespace {

void check_utf8_of(const TextBlock& block) {
  try {
    check_utf8(block.text);
  } catch (const TextError& error) {
    const std::int64_t offset = block.offset + static_cast<std::int64_t>(error.offset());
    throw DataError(error.fact(),
                    fmt::format("{}: byte {}, line {}", block.path->string(), offset, line_of(*block.path, offset)),
                    "convert the file to UTF-8 (iconv), or take --unit byte");
  }
}

}  // namespace

TokenCounter::TokenCounter(Unit unit, Lines lines, Count what) : unit_(unit), lines_(lines), what_(what) {
  if (unit_ != Unit::byte) text_.characters = 0;
  if (unit_ != Unit::word && what_ == Count::kinds) symbol_counts_.resize(unit_ == Unit::byte ? 256 : kSymbols);
}

void TokenCounter::add(const TextBlock& block) {
  text_.bytes += static_cast<std::int64_t>(block.text.size());
  if (unit_ != Unit::byte) {
    check_utf8_of(block);
    *text_.characters += code_points(block.text);
  }
  if (unit_ == Unit::word)
    count_words(block);
  else
    count_symbols(block);
}

void TokenCounter::count_words(const TextBlock& block) {
  for_each_words(block, lines_, [&](std::span<const std::string_view> words) {
    for (const std::string_view word : words)
      if (word.size() > static_cast<std::size_t>(kMaxWordBytes))
        throw DataError(
            fmt::format("a word of {} bytes, expected at most {}", word.size(), kMaxWordBytes),
            fmt::format("{}: byte {}", block.path->string(), block.offset + (word.data() - block.text.data())),
            "is this text? --unit byte takes any file");
    tokens_ += static_cast<std::int64_t>(words.size());
    if (what_ == Count::tokens) return;
    std::array<std::uint32_t, WordTable::kMany> numbers;
    words_.insert_many(words, numbers.data());
    word_counts_.resize(words_.size());
    for (std::size_t i = 0; i < words.size(); ++i) ++word_counts_[numbers[i]];
  });
}

void TokenCounter::count_symbols(const TextBlock& block) {
  std::int64_t symbols = 0, lines = 0;
  const auto on_line_end = [&] { ++lines; };
  if (what_ == Count::tokens)
    for_each_symbol(
        block, unit_, lines_, [&](std::uint32_t, std::size_t) { ++symbols; }, on_line_end);
  else
    for_each_symbol(
        block, unit_, lines_, [&](std::uint32_t symbol, std::size_t) { ++symbols, ++symbol_counts_[symbol]; },
        on_line_end);
  tokens_ += symbols + lines;
  line_ends_ += static_cast<std::uint64_t>(lines);
}

void TokenCounter::merge(const TokenCounter& other) {
  tokens_ += other.tokens_;
  text_.bytes += other.text_.bytes;
  if (text_.characters) *text_.characters += *other.text_.characters;
  line_ends_ += other.line_ends_;
  for (std::uint32_t i = 0; i < other.words_.size(); ++i) {
    const std::uint32_t number = words_.insert(other.words_[i]);
    word_counts_.resize(words_.size());
    word_counts_[number] += other.word_counts_[i];
  }
  for (std::size_t i = 0; i < other.symbol_counts_.size(); ++i) symbol_counts_[i] += other.symbol_counts_[i];
}

Vocabulary TokenCounter::vocabulary(std::uint64_t min_count) const {
  std::vector<std::pair<std::string_view, std::uint64_t>> kept;
  std::uint64_t ends = line_ends_, unknown = 0;
  const auto keep = [&](std::string_view token, std::uint64_t count) {
    if (count >= min_count)
      kept.emplace_back(token, count);
    else
      unknown += count;
  };
  for (std::uint32_t i = 0; i < words_.size(); ++i) {
    if (words_[i] == kEndOfLine && lines_ == Lines::end_with_eos)
      ends += word_counts_[i];  // spelt out in the text it is the same token
    else if (words_[i] == kUnknown && min_count > 1)
      unknown += word_counts_[i];
    else
      keep(words_[i], word_counts_[i]);
  }
  std::deque<std::string> symbols;  // keeps the bytes that `kept` points to
  for (std::uint32_t i = 0; i < symbol_counts_.size(); ++i)
    if (symbol_counts_[i] > 0) keep(symbols.emplace_back(symbol_bytes(i, unit_)), symbol_counts_[i]);
  if (lines_ == Lines::end_with_eos) kept.emplace_back(kEndOfLine, ends);
  if (min_count > 1) kept.emplace_back(kUnknown, unknown);
  return Vocabulary(unit_, std::move(kept));
}

}  // namespace trellis
