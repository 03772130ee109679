#include "corpus/tokenize.h"

#include <gtest/gtest.h>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;

TEST(SpaceMask, KnowsEveryByteAtEveryPlace) {
  for (int value = 0; value < 256; ++value)
    for (int at = 0; at < 64; ++at)
      for (const char around : {'x', ' ', '\xFF', '\0'}) {
        std::string bytes(64, around);
        bytes[static_cast<std::size_t>(at)] = static_cast<char>(value);
        const std::uint64_t others = around == ' ' ? ~std::uint64_t{0} : 0, one = std::uint64_t{1} << at;
        const bool space = std::string(" \t\n\v\f\r").find(static_cast<char>(value)) != std::string::npos;
        ASSERT_EQ(space_mask(bytes.data()), space ? others | one : others & ~one) << value << " at " << at;
      }
}

TEST(ForEachWords, AgreesWithAByteByByteWalkForEveryLengthAndPattern) {
  std::uint32_t seed = 0;
  for (std::size_t length = 0; length <= 200; ++length)
    for (const Lines lines : {Lines::end_with_eos, Lines::are_whitespace}) {
      std::string text;
      for (const std::uint32_t id : some_ids(length + ++seed % 50, 9)) text += " \nab\xC3\xFF\0\t\r"[id];
      text.resize(length);
      std::vector<std::string> expected, found;
      std::string word;
      for (const char c : text + ' ') {
        if (!is_space(c)) {
          word += c;
          continue;
        }
        if (!word.empty()) expected.push_back(word);
        word.clear();
        if (c == '\n' && lines == Lines::end_with_eos) expected.push_back("<eos>");
      }
      if (lines == Lines::end_with_eos && !text.empty() && text.back() != '\n') expected.push_back("<eos>");
      for_each_words({text, true}, lines, [&](std::span<const std::string_view> words) {
        found.insert(found.end(), words.begin(), words.end());
      });
      ASSERT_EQ(found, expected) << length;
    }
}

}  // namespace
}  // namespace trellis
