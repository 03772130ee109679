#include "plan/embedding_exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

namespace trellis {
namespace {

using Tokens = std::vector<std::int64_t>;

// Deterministic tokens, many of them repeated.
Tokens tokens_of(std::int64_t count, std::int64_t vocabulary, std::uint64_t seed) {
  Tokens tokens;
  std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
  for (std::int64_t n = 0; n < count; ++n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    const std::int64_t word = static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(vocabulary));
    tokens.push_back(n % 3 == 0 ? word / 7 : word);
  }
  return tokens;
}

struct Case {
  std::int64_t vocabulary;
  std::vector<std::int64_t> cutoffs;
  int ranks;
  std::vector<std::int64_t> token_counts;  // cycled over the ranks
};

class Exchange : public testing::TestWithParam<Case> {};

// All ranks' plans together: what one sends is what the other expects, in the same order, and every token finds its row.
TEST_P(Exchange, AllRanksPlansFitEachOther) {
  const Case& c = GetParam();
  const VocabularyStripes stripes(c.vocabulary, c.cutoffs, c.ranks);
  std::vector<Tokens> tokens;
  std::vector<Tokens> words;
  for (int rank = 0; rank < c.ranks; ++rank) {
    const std::int64_t count = c.token_counts[static_cast<std::size_t>(rank) % c.token_counts.size()];
    tokens.push_back(tokens_of(count, c.vocabulary, static_cast<std::uint64_t>(rank / 2)));  // stages of a replica read the same
    words.push_back(distinct_words(tokens.back(), stripes));
    EXPECT_EQ(words.back().size(), std::set<std::int64_t>(tokens.back().begin(), tokens.back().end()).size());
  }
  std::vector<EmbeddingExchange> plans;
  for (int rank = 0; rank < c.ranks; ++rank)
    plans.push_back(plan_embedding_exchange(stripes, words, rank, tokens[static_cast<std::size_t>(rank)]));

  for (int rank = 0; rank < c.ranks; ++rank) {
    const EmbeddingExchange& mine = plans[static_cast<std::size_t>(rank)];
    // what arrives: the rows of owner 0, then of owner 1, ... each in the order in which its owner sends them
    std::vector<std::pair<int, std::int64_t>> arriving;  // owner, row
    for (int owner = 0; owner < c.ranks; ++owner) {
      const EmbeddingExchange& theirs = plans[static_cast<std::size_t>(owner)];
      ASSERT_EQ(mine.receive_counts[static_cast<std::size_t>(owner)], theirs.send_counts[static_cast<std::size_t>(rank)]);
      const auto before = std::accumulate(theirs.send_counts.begin(), theirs.send_counts.begin() + rank, std::int64_t{0});
      for (std::int64_t n = 0; n < theirs.send_counts[static_cast<std::size_t>(rank)]; ++n) {
        arriving.emplace_back(owner, theirs.send_rows[static_cast<std::size_t>(before + n)]);
      }
    }
    ASSERT_EQ(arriving.size(), mine.words.size());
    ASSERT_EQ(mine.place_of_token.size(), tokens[static_cast<std::size_t>(rank)].size());
    for (std::size_t n = 0; n < mine.place_of_token.size(); ++n) {
      const std::int64_t token = tokens[static_cast<std::size_t>(rank)][n];
      const auto place = static_cast<std::size_t>(mine.place_of_token[n]);
      ASSERT_LT(place, mine.words.size());
      ASSERT_EQ(mine.words[place], token);
      ASSERT_EQ(arriving[place], (std::pair{stripes.owner(token), stripes.row(token)}));
    }
    ASSERT_EQ(mine.send_rows.size(),
              static_cast<std::size_t>(std::accumulate(mine.send_counts.begin(), mine.send_counts.end(), std::int64_t{0})));
    for (const std::int64_t row : mine.send_rows) ASSERT_LT(row, stripes.rows_of(rank));
    const std::set<std::int64_t> owned(mine.send_rows.begin(), mine.send_rows.end());
    ASSERT_EQ(owned_rows(stripes, rank, words), std::vector<std::int64_t>(owned.begin(), owned.end()));
  }
}

INSTANTIATE_TEST_SUITE_P(Awkward, Exchange,
                         testing::Values(Case{1000, {100, 400}, 4, {300, 300, 0, 0}},  // a replica without lanes
                                         Case{3, {}, 7, {50}},                         // fewer words than ranks
                                         Case{11, {1, 2}, 4, {1}},                     // a token each
                                         Case{10007, {2800}, 3, {997, 13}}, Case{50, {}, 1, {200}},
                                         Case{61, {10, 40}, 2, {0}}));  // nobody has tokens

}  // namespace
}  // namespace trellis
