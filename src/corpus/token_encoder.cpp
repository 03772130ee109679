#include "corpus/token_encoder.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <span>
#include <utility>

#include "base/errors.h"
#include "corpus/text_error.h"

namespace trellis {
namespace {

// A token as error messages show it: control characters escaped, cut when long.
std::string printable(std::string_view token) {
  constexpr std::size_t kShown = 60;
  std::string text;
  std::size_t end = std::min(token.size(), kShown);
  while (end < token.size() && end > 0 && (static_cast<unsigned char>(token[end]) & 0xC0) == 0x80)
    --end;  // whole code points
  for (const char c : token.substr(0, end))
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      text += c;
  return end < token.size() ? text + "..." : text;
}

}  // namespace

TokenEncoder::TokenEncoder(const Vocabulary& vocabulary, Lines lines, std::string origin)
    : vocabulary_(vocabulary), lines_(lines), origin_(std::move(origin)) {
  const WordTable& words = vocabulary.words();
  unknown_ = words.find(kUnknown);
  end_of_line_ = words.find(kEndOfLine);
  if (lines_ == Lines::end_with_eos && end_of_line_ == WordTable::kAbsent)
    throw DataError("the vocabulary has no <eos>, which is to end every line", origin_,
                    "take a vocabulary that has it, or make the corpus with trellis-preprocess text --no-eos");
  if (vocabulary.unit() == Unit::word) return;
  symbol_ids_.assign(kSymbols, WordTable::kAbsent);
  for (std::uint32_t id = 0; id < words.size(); ++id) {
    const std::string_view word = words[id];
    if (id == unknown_ || id == end_of_line_) continue;  // more than one symbol long
    std::uint32_t symbol = static_cast<unsigned char>(word[0]);
    std::size_t length = 1;
    if (vocabulary.unit() == Unit::character) {
      utf8proc_int32_t point = 0;
      const auto read = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(word.data()),
                                         static_cast<utf8proc_ssize_t>(word.size()), &point);
      symbol = read < 1 ? 0 : static_cast<std::uint32_t>(point);
      length = read < 1 ? 0 : static_cast<std::size_t>(read);
    }
    if (length != word.size())
      throw DataError(fmt::format("token {} of the vocabulary is '{}', expected one {}", id, printable(word),
                                  unit_name(vocabulary.unit())),
                      origin_, "take a vocabulary made with the same --unit");
    symbol_ids_[symbol] = id;
  }
}

std::int64_t TokenEncoder::encode(const TextPiece& piece, std::vector<std::uint32_t>& ids) const {
  std::int64_t unknown = 0;
  if (vocabulary_.unit() == Unit::word) {
    for_each_words(piece, lines_, [&](std::span<const std::string_view> words) {
      std::array<std::uint32_t, WordTable::kMany> numbers;
      vocabulary_.words().find_many(words, numbers.data());
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (numbers[i] == WordTable::kAbsent) {
          if (unknown_ == WordTable::kAbsent)
            throw_unknown(static_cast<std::size_t>(words[i].data() - piece.text.data()), words[i]);
          numbers[i] = unknown_;
        }
        unknown += numbers[i] == unknown_;
      }
      ids.insert(ids.end(), numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(words.size()));
    });
  } else {
    const auto on_symbol = [&](std::uint32_t symbol, std::size_t at) {
      std::uint32_t id = symbol_ids_[symbol];
      if (id == WordTable::kAbsent) {
        if (unknown_ == WordTable::kAbsent) throw_unknown(at, symbol_bytes(symbol, vocabulary_.unit()));
        id = unknown_;
      }
      ids.push_back(id);
      unknown += id == unknown_;
    };
    for_each_symbol(piece, vocabulary_.unit(), lines_, on_symbol, [&] { ids.push_back(end_of_line_); });
  }
  return unknown;
}

void TokenEncoder::throw_unknown(std::size_t at, std::string_view token) const {
  std::string shown = "'" + printable(token) + "'";
  if (vocabulary_.unit() == Unit::byte) shown = fmt::format("byte 0x{:02x}", static_cast<unsigned char>(token[0]));
  throw TextError(fmt::format("{} does not occur in {}, whose vocabulary has no <unk>", shown, origin_), at);
}

}  // namespace trellis
