// Small vocabularies for tests of text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "corpus/vocabulary.h"

namespace trellis::testing_support {

// Token i has id i.
inline Vocabulary vocabulary_of(Unit unit, const std::vector<std::string>& tokens) {
  std::vector<std::pair<std::string_view, std::uint64_t>> counted;
  for (const std::string& token : tokens) counted.emplace_back(token, tokens.size() - counted.size());
  return Vocabulary(unit, std::move(counted));
}

// Each byte of `symbols` is a token, then come `specials`.
inline Vocabulary vocabulary_of(Unit unit, std::string_view symbols, const std::vector<std::string>& specials) {
  std::vector<std::string> tokens;
  for (const char c : symbols) tokens.emplace_back(1, c);
  tokens.insert(tokens.end(), specials.begin(), specials.end());
  return vocabulary_of(unit, tokens);
}

}  // namespace trellis::testing_support
