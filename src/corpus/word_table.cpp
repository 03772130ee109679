#include "corpus/word_table.h"

#include <fmt/core.h>
#include <utility>
#define XXH_INLINE_ALL  // a word is hashed in a few instructions; a call would cost more
#include <xxhash.h>

#include "base/errors.h"
#include "corpus/format.h"

namespace trellis {

WordTable::WordTable() : slots_(1 << 10, Slot{0, kAbsent}), ends_(1, 0) {}

std::uint32_t WordTable::tag_of(std::string_view word) {
  return static_cast<std::uint32_t>(XXH3_64bits(word.data(), word.size()));
}

// Where `word` is, or the free slot where it would go. Slots are chosen by the tag's low bits; there are fewer slots
// than tags.
std::size_t WordTable::place_of(std::string_view word, std::uint32_t tag) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t place = tag & mask;; place = (place + 1) & mask) {
    const Slot& slot = slots_[place];
    if (slot.number == kAbsent || (slot.tag == tag && (*this)[slot.number] == word)) return place;
  }
}

std::uint32_t WordTable::insert(std::string_view word) {
  const std::uint32_t tag = tag_of(word);
  const std::size_t place = place_of(word, tag);
  if (slots_[place].number != kAbsent) return slots_[place].number;
  const std::uint32_t number = size();
  if (number >= kMaxWords)
    throw DataError(fmt::format("the text has more than {} different tokens", kMaxWords), "",
                    "split it into smaller units, for example --unit char");
  slots_[place] = {tag, number};
  bytes_.append(word);
  ends_.push_back(bytes_.size());
  if (2 * static_cast<std::size_t>(size()) > slots_.size()) grow();
  return number;
}

void WordTable::grow() {
  std::vector<Slot> old(slots_.size() * 2, Slot{0, kAbsent});
  std::swap(old, slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.number == kAbsent) continue;
    std::size_t place = slot.tag & mask;
    while (slots_[place].number != kAbsent) place = (place + 1) & mask;
    slots_[place] = slot;
  }
}

}  // namespace trellis
