#include "preprocessing/token_encoder.h"

#include <array>
#include <fmt/core.h>
#include <span>
#include <utility>

#include "base/errors.h"

namespace trellis {

TokenEncoder::TokenEncoder(const Vocabulary& vocabulary, Lines lines, std::string origin)
    : vocabulary_(vocabulary), lines_(lines), origin_(std::move(origin)) {
  const WordTable& words = vocabulary.words();
  unknown_ = words.find(kUnknown);
  end_of_line_ = words.find(kEndOfLine);
  if (lines_ == Lines::end_with_eos && end_of_line_ == WordTable::kAbsent)
    throw DataError("the vocabulary has no <eos>, which is to end every line", origin_,
                    "add --no-eos, or take a vocabulary made without it");
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

std::int64_t TokenEncoder::encode(const TextBlock& block, std::vector<std::uint32_t>& ids) const {
  std::int64_t unknown = 0;
  if (vocabulary_.unit() == Unit::word) {
    for_each_words(block, lines_, [&](std::span<const std::string_view> words) {
      std::array<std::uint32_t, WordTable::kMany> numbers;
      vocabulary_.words().find_many(words, numbers.data());
      for (std::size_t i = 0; i < words.size(); ++i) {
        if (numbers[i] == WordTable::kAbsent) {
          if (unknown_ == WordTable::kAbsent)
            throw_unknown(block, static_cast<std::size_t>(words[i].data() - block.text.data()), words[i]);
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
        if (unknown_ == WordTable::kAbsent) throw_unknown(block, at, symbol_bytes(symbol, vocabulary_.unit()));
        id = unknown_;
      }
      ids.push_back(id);
      unknown += id == unknown_;
    };
    for_each_symbol(block, vocabulary_.unit(), lines_, on_symbol, [&] { ids.push_back(end_of_line_); });
  }
  return unknown;
}

void TokenEncoder::throw_unknown(const TextBlock& block, std::size_t at, std::string_view token) const {
  const std::int64_t offset = block.offset + static_cast<std::int64_t>(at);
  std::string shown = "'" + printable(token) + "'";
  if (vocabulary_.unit() == Unit::byte) shown = fmt::format("byte 0x{:02x}", static_cast<unsigned char>(token[0]));
  throw DataError(
      fmt::format("{} does not occur in {}, whose vocabulary has no <unk>", shown, origin_),
      fmt::format("{}: line {}", block.path->string(), line_of(*block.path, offset)),
      "use --min-count 2 (what is rare in the training text becomes <unk>), or take a larger training text");
}

}  // namespace trellis
