// What the tokens of a text are. The rules, in one place (docs/formats.md states them for readers):
//   word  runs of bytes between ASCII whitespace
//   char  Unicode code points; byte: bytes. A newline is a token like any other where lines do not end with <eos>
// With Lines::end_with_eos every newline is <eos>, and so is the end of a file whose last line has none.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utf8proc.h>

#include "corpus/corpus_format.h"
#include "corpus/word_table.h"

namespace trellis {

// Text that can be tokenised on its own: no token lies across its ends.
struct TextPiece {
  std::string_view text;
  bool ends_file = false;  // so a last line without its newline is over; else it goes on elsewhere
};

inline constexpr std::array<bool, 256> kSpaces = [] {
  std::array<bool, 256> spaces{};
  for (const char c : {' ', '\t', '\n', '\v', '\f', '\r'}) spaces[static_cast<unsigned char>(c)] = true;
  return spaces;
}();
inline bool is_space(char c) { return kSpaces[static_cast<unsigned char>(c)]; }

// Does the file end here in a line without its newline?
inline bool ends_open_line(const TextPiece& piece) {
  return piece.ends_file && !piece.text.empty() && piece.text.back() != '\n';
}

// Bit i is set where byte i of 64 is whitespace. Eight bytes at a time in one register: no byte's sum carries into the
// next.
inline std::uint64_t space_mask(const char* bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101ULL, kLow = 0x7F * kOnes, kHigh = 0x80 * kOnes;
  std::uint64_t mask = 0;
  for (int part = 0; part < 8; ++part) {
    std::uint64_t eight = 0;
    std::memcpy(&eight, bytes + 8 * part, sizeof eight);
    const std::uint64_t low = eight & kLow;
    const std::uint64_t from_tab = low + (0x80 - '\t') * kOnes, beyond_return = low + (0x80 - '\r' - 1) * kOnes;
    const std::uint64_t not_blank = (low ^ (' ' * kOnes)) + kLow;
    const std::uint64_t spaces = ((from_tab & ~beyond_return) | ~not_blank) & ~eight & kHigh;
    mask |= ((spaces >> 7) * 0x0102040810204080ULL >> 56) << (8 * part);  // the eight high bits side by side
  }
  return mask;
}

// on_words(std::span<const std::string_view>) with the tokens in the text's order, at most WordTable::kMany at a time.
// The end of a line is the view kEndOfLine. Walks from edge to edge between words and whitespace, found 64 bytes at a
// time.
template <class OnWords>
void for_each_words(const TextPiece& piece, Lines lines, OnWords&& on_words) {
  std::array<std::string_view, WordTable::kMany> words;
  std::size_t count = 0;
  const auto add = [&](std::string_view word) {
    words[count++] = word;
    if (count == words.size()) {
      on_words(std::span<const std::string_view>(words.data(), count));
      count = 0;
    }
  };
  const std::string_view text = piece.text;
  std::size_t begin = 0;  // of the word or the whitespace that is being walked
  bool in_word = false;
  const auto edge = [&](std::size_t at) {
    if (in_word)
      add(text.substr(begin, at - begin));
    else if (lines == Lines::end_with_eos)
      for (std::size_t i = begin; i < at; ++i)
        if (text[i] == '\n') add(kEndOfLine);
    begin = at;
    in_word = !in_word;
  };
  for (std::size_t base = 0; base < text.size(); base += 64) {
    std::array<char, 64> last;
    const char* bytes = text.data() + base;
    if (text.size() - base < last.size()) {  // the text's end, as if blanks followed
      last.fill(' ');
      std::memcpy(last.data(), bytes, text.size() - base);
      bytes = last.data();
    }
    const std::uint64_t spaces = space_mask(bytes);
    std::uint64_t edges = spaces ^ (spaces << 1 | (in_word ? 0 : 1));
    for (; edges != 0; edges &= edges - 1) edge(base + static_cast<std::size_t>(std::countr_zero(edges)));
  }
  if (begin < text.size()) edge(text.size());
  if (lines == Lines::end_with_eos && ends_open_line(piece)) add(kEndOfLine);
  on_words(std::span<const std::string_view>(words.data(), count));
}

// on_symbol(number, offset): code points of valid UTF-8 for Unit::character, bytes for Unit::byte; on_line_end() as
// above.
template <class OnSymbol, class OnLineEnd>
void for_each_symbol(const TextPiece& piece, Unit unit, Lines lines, OnSymbol&& on_symbol, OnLineEnd&& on_line_end) {
  const std::string_view text = piece.text;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\n' && lines == Lines::end_with_eos) {
      on_line_end();
      ++at;
    } else if (unit == Unit::byte || byte < 0x80) {
      on_symbol(static_cast<std::uint32_t>(byte), at);
      ++at;
    } else {
      utf8proc_int32_t point = 0;
      const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                           static_cast<utf8proc_ssize_t>(text.size() - at), &point);
      on_symbol(static_cast<std::uint32_t>(point), at);
      at += static_cast<std::size_t>(length);
    }
  }
  if (lines == Lines::end_with_eos && ends_open_line(piece)) on_line_end();
}

inline constexpr std::uint32_t kSymbols = 0x110000;  // more than every code point

// The token's bytes in the vocabulary.
inline std::string symbol_bytes(std::uint32_t symbol, Unit unit) {
  if (unit == Unit::byte) return std::string(1, static_cast<char>(symbol));
  std::array<utf8proc_uint8_t, 4> bytes{};
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(symbol), bytes.data());
  return {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length)};
}

}  // namespace trellis
