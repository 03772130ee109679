#include "plan/vocabulary_stripes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace trellis {
namespace {

struct Words {
  std::int64_t vocabulary;
  std::vector<std::int64_t> cutoffs;
};

// Clusters of one word, vocabularies and clusters smaller than the group, primes.
const Words kCases[] = {{1, {}},        {2, {1}},          {5, {}},      {7, {1, 2, 3}},           {31, {30}},
                        {97, {13, 14}}, {1000, {100, 500}}, {10007, {}}, {33278, {2800, 20000}}, {267735, {2800, 20000, 76000}}};

TEST(VocabularyStripes, EveryWordHasOneOwnerAndOneRowThere) {
  for (const Words& words : kCases)
    for (const int ranks : {1, 2, 3, 4, 7, 16, 61}) {
      const VocabularyStripes stripes(words.vocabulary, words.cutoffs, ranks);
      ASSERT_EQ(stripes.vocabulary(), words.vocabulary);
      ASSERT_EQ(stripes.clusters(), static_cast<std::int64_t>(words.cutoffs.size()) + 1);
      std::vector<std::vector<bool>> taken(static_cast<std::size_t>(ranks));
      std::int64_t total = 0;
      for (int place = 0; place < ranks; ++place) {
        taken[static_cast<std::size_t>(place)].resize(static_cast<std::size_t>(stripes.rows_of(place)));
        total += stripes.rows_of(place);
        ASSERT_LE(stripes.rows_of(place), stripes.most_rows());
      }
      ASSERT_EQ(total, words.vocabulary);
      for (std::int64_t word = 0; word < words.vocabulary; ++word) {
        const int owner = stripes.owner(word);
        ASSERT_TRUE(0 <= owner && owner < ranks) << word;
        const std::int64_t cluster = stripes.cluster_of(word), row = stripes.row(word);
        ASSERT_TRUE(stripes.words(cluster).contains(word));
        ASSERT_TRUE(stripes.stripe(cluster, owner).contains(word)) << word << " of " << words.vocabulary << " over " << ranks;
        ASSERT_TRUE(stripes.rows(cluster, owner).contains(row));
        ASSERT_FALSE(taken[static_cast<std::size_t>(owner)][static_cast<std::size_t>(row)]) << "two words in one row";
        taken[static_cast<std::size_t>(owner)][static_cast<std::size_t>(row)] = true;
        if (ranks == 1) {
          ASSERT_EQ(row, word);
        }
      }
    }
}

TEST(VocabularyStripes, StripesTileTheirClusterEvenlyAndLieOneAfterAnother) {
  for (const Words& words : kCases)
    for (const int ranks : {1, 2, 3, 7, 61}) {
      const VocabularyStripes stripes(words.vocabulary, words.cutoffs, ranks);
      for (std::int64_t cluster = 0; cluster < stripes.clusters(); ++cluster) {
        std::int64_t next = stripes.words(cluster).begin;
        for (int place = 0; place < ranks; ++place) {
          const Range stripe = stripes.stripe(cluster, place);
          ASSERT_EQ(stripe.begin, next);
          next = stripe.end;
          ASSERT_LE(stripe.size() - stripes.stripe(cluster, ranks - 1).size(), 1);
          ASSERT_EQ(stripes.rows(cluster, place).size(), stripe.size());
          ASSERT_EQ(stripes.rows(cluster, place).begin, cluster == 0 ? 0 : stripes.rows(cluster - 1, place).end);
        }
        ASSERT_EQ(next, stripes.words(cluster).end);
      }
    }
}

}  // namespace
}  // namespace trellis
