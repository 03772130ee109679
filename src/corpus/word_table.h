// Words numbered in order of first insertion, found by their bytes: an open-addressing hash table over one arena. Words
// may hold any bytes. Built for counting text: a large table lies far from the core, so words are looked up many at a
// time and what each needs is fetched ahead.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

class WordTable {
 public:
  static constexpr std::uint32_t kAbsent = std::numeric_limits<std::uint32_t>::max();

  WordTable();
  // Number of `word`, or kAbsent.
  std::uint32_t find(std::string_view word) const { return slots_[place_of(word, tag_of(word))].number; }
  // Number of `word`, which is added if it is new. At most kMaxWords words (DataError).
  std::uint32_t insert(std::string_view word) { return insert(word, tag_of(word)); }
  // The same for each of at most kMany words, in order; numbers[i] belongs to words[i].
  static constexpr std::size_t kMany = 64;
  void find_many(std::span<const std::string_view> words, std::uint32_t* numbers) const;
  void insert_many(std::span<const std::string_view> words, std::uint32_t* numbers);

  std::uint32_t size() const { return static_cast<std::uint32_t>(ends_.size() - 1); }
  std::string_view operator[](std::uint32_t number) const {
    return {bytes_.data() + ends_[number], static_cast<std::size_t>(ends_[number + 1] - ends_[number])};
  }
  // All words, one behind the other, and where each begins: word i is bytes [offsets[i], offsets[i + 1]).
  std::string_view bytes() const { return bytes_; }
  const std::vector<std::uint64_t>& offsets() const { return ends_; }

 private:
  struct Slot {
    std::uint32_t tag, number;  // number is kAbsent in a free slot
  };
  using Tags = std::array<std::uint32_t, kMany>;
  std::uint32_t insert(std::string_view word, std::uint32_t tag);
  Tags fetch_ahead(std::span<const std::string_view> words) const;
  static std::uint32_t tag_of(std::string_view word);
  std::size_t place_of(std::string_view word, std::uint32_t tag) const;
  void grow();

  std::vector<Slot> slots_;  // a power of two, at most half full
  std::string bytes_;
  std::vector<std::uint64_t> ends_;
};

}  // namespace trellis
