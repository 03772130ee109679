#include "corpus/word_table.h"

#include <cstring>
#include <fmt/core.h>
#include <utility>
#define XXH_INLINE_ALL  // a word is hashed in a few instructions; a call would cost more
#include <xxhash.h>

#include "base/errors.h"
#include "corpus/corpus_format.h"

namespace trellis {
namespace {

template <class Chunk>
bool same_chunk(const char* a, const char* b) {
  Chunk x, y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return x == y;
}

// memcmp for words, most of which are too short to be worth its call: overlapping chunks instead.
bool same_bytes(const char* a, const char* b, std::size_t length) {
  if (length > 16) return std::memcmp(a, b, length) == 0;
  if (length >= 8) return same_chunk<std::uint64_t>(a, b) && same_chunk<std::uint64_t>(a + length - 8, b + length - 8);
  if (length >= 4) return same_chunk<std::uint32_t>(a, b) && same_chunk<std::uint32_t>(a + length - 4, b + length - 4);
  return length == 0 || (a[0] == b[0] && a[length / 2] == b[length / 2] && a[length - 1] == b[length - 1]);
}

}  // namespace

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
    if (slot.number == kAbsent) return place;
    if (slot.tag != tag) continue;
    const std::string_view here = (*this)[slot.number];
    if (here.size() == word.size() && same_bytes(here.data(), word.data(), word.size())) return place;
  }
}

// Three sweeps, each starting the memory accesses that the next one depends on: slot, word's place, word's bytes.
WordTable::Tags WordTable::fetch_ahead(std::span<const std::string_view> words) const {
  require(words.size() <= kMany, "too many words were looked up at once");
  Tags tags;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < words.size(); ++i) {
    tags[i] = tag_of(words[i]);
    __builtin_prefetch(&slots_[tags[i] & mask]);
  }
  for (std::size_t i = 0; i < words.size(); ++i)
    if (const std::uint32_t number = slots_[tags[i] & mask].number; number != kAbsent)
      __builtin_prefetch(&ends_[number]);
  for (std::size_t i = 0; i < words.size(); ++i)
    if (const std::uint32_t number = slots_[tags[i] & mask].number; number != kAbsent)
      __builtin_prefetch(bytes_.data() + ends_[number]);
  return tags;
}

void WordTable::find_many(std::span<const std::string_view> words, std::uint32_t* numbers) const {
  const Tags tags = fetch_ahead(words);
  for (std::size_t i = 0; i < words.size(); ++i) numbers[i] = slots_[place_of(words[i], tags[i])].number;
}

void WordTable::insert_many(std::span<const std::string_view> words, std::uint32_t* numbers) {
  const Tags tags = fetch_ahead(words);
  for (std::size_t i = 0; i < words.size(); ++i) numbers[i] = insert(words[i], tags[i]);
}

std::uint32_t WordTable::insert(std::string_view word, std::uint32_t tag) {
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
