#include "corpus/word_table.h"

#include <gtest/gtest.h>
#include <map>
#include <string>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

TEST(WordTable, NumbersWordsInOrderOfFirstInsertion) {
  WordTable table;
  EXPECT_EQ(table.insert("b"), 0U);
  EXPECT_EQ(table.insert("a"), 1U);
  EXPECT_EQ(table.insert("b"), 0U);
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table[1], "a");
  EXPECT_EQ(table.find("a"), 1U);
  EXPECT_EQ(table.find("c"), WordTable::kAbsent);
}

TEST(WordTable, TellsWordsApartThatDifferInOneByteAtAnyPlaceAndLength) {
  for (std::size_t length = 1; length <= 40; ++length) {
    WordTable table;
    const std::string base(length, 'x');
    table.insert(base);
    for (std::size_t at = 0; at < length; ++at) {
      std::string other = base;
      other[at] = '\0';
      EXPECT_EQ(table.insert(other), at + 1);
    }
    EXPECT_EQ(table.find(base), 0U);
    EXPECT_EQ(table.find(std::string(length + 1, 'x')), WordTable::kAbsent);
  }
}

TEST(WordTable, AgreesWithAMapWhileItGrows) {
  WordTable table;
  std::map<std::string, std::uint32_t> map;
  for (const std::uint32_t value : testing_support::some_ids(200'000, 60'000)) {
    const std::string word = std::to_string(value * value);
    const auto [place, _] = map.emplace(word, static_cast<std::uint32_t>(map.size()));
    ASSERT_EQ(table.insert(word), place->second);
  }
  for (const auto& [word, number] : map) {
    ASSERT_EQ(table.find(word), number);
    ASSERT_EQ(table[number], word);
  }
}

TEST(WordTable, LooksUpManyAsOneByOne) {
  std::vector<std::string> words;
  for (const std::uint32_t value : testing_support::some_ids(50'000, 20'000))
    words.push_back("w" + std::to_string(value));
  WordTable one, many;
  for (std::size_t at = 0; at < words.size(); at += WordTable::kMany) {
    const std::vector<std::string_view> part(
        words.begin() + static_cast<std::ptrdiff_t>(at),
        words.begin() + static_cast<std::ptrdiff_t>(std::min(words.size(), at + WordTable::kMany)));
    std::vector<std::uint32_t> numbers(part.size()), found(part.size());
    many.insert_many(part, numbers.data());
    many.find_many(part, found.data());
    EXPECT_EQ(numbers, found);
    for (std::size_t i = 0; i < part.size(); ++i) ASSERT_EQ(numbers[i], one.insert(part[i]));
  }
}

}  // namespace
}  // namespace trellis
