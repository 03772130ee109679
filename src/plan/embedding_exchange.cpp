#include "plan/embedding_exchange.h"

#include <algorithm>

namespace trellis {
namespace {

struct OwnedWord {
  int owner;
  std::int64_t word;
  auto operator<=>(const OwnedWord&) const = default;
};

}  // namespace

std::vector<std::int64_t> distinct_words(std::span<const std::int64_t> tokens, const VocabularyStripes& stripes) {
  std::vector<std::int64_t> words(tokens.begin(), tokens.end());
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  if (stripes.ranks() == 1) return words;
  std::vector<OwnedWord> owned;
  owned.reserve(words.size());
  for (const std::int64_t word : words) owned.push_back({stripes.owner(word), word});
  std::sort(owned.begin(), owned.end());
  for (std::size_t n = 0; n < words.size(); ++n) words[n] = owned[n].word;
  return words;
}

EmbeddingExchange plan_embedding_exchange(const VocabularyStripes& stripes, std::span<const std::vector<std::int64_t>> words_of, int place,
                                          std::span<const std::int64_t> tokens) {
  EmbeddingExchange exchange;
  exchange.words = words_of[static_cast<std::size_t>(place)];
  exchange.receive_counts.assign(static_cast<std::size_t>(stripes.ranks()), 0);
  exchange.send_counts.assign(static_cast<std::size_t>(stripes.ranks()), 0);
  std::vector<std::pair<std::int64_t, std::int64_t>> places;  // word, its place
  for (const std::int64_t word : exchange.words) {
    places.emplace_back(word, static_cast<std::int64_t>(places.size()));
    ++exchange.receive_counts[static_cast<std::size_t>(stripes.owner(word))];
  }
  std::sort(places.begin(), places.end());
  exchange.place_of_token.reserve(tokens.size());
  for (const std::int64_t token : tokens) {
    exchange.place_of_token.push_back(std::lower_bound(places.begin(), places.end(), std::pair{token, std::int64_t{0}})->second);
  }
  for (std::size_t rank = 0; rank < words_of.size(); ++rank) {
    for (const std::int64_t word : words_of[rank]) {
      if (stripes.owner(word) != place) continue;
      exchange.send_rows.push_back(stripes.row(word));
      ++exchange.send_counts[rank];
    }
  }
  return exchange;
}

std::vector<std::int64_t> owned_rows(const VocabularyStripes& stripes, int place, std::span<const std::vector<std::int64_t>> words_of) {
  std::vector<std::int64_t> rows;
  for (const std::vector<std::int64_t>& words : words_of) {
    for (const std::int64_t word : words) {
      if (stripes.owner(word) == place) rows.push_back(stripes.row(word));
    }
  }
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

}  // namespace trellis
