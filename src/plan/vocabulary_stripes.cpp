#include "plan/vocabulary_stripes.h"

#include <algorithm>

namespace trellis {

VocabularyStripes::VocabularyStripes(std::int64_t vocabulary, const std::vector<std::int64_t>& cutoffs, int ranks) : ranks_(ranks) {
  std::int64_t begin = 0;
  for (const std::int64_t cutoff : cutoffs) {
    clusters_.push_back({begin, cutoff});
    begin = cutoff;
  }
  clusters_.push_back({begin, vocabulary});
}

std::int64_t VocabularyStripes::cluster_of(std::int64_t word) const {
  const auto above = std::upper_bound(clusters_.begin(), clusters_.end(), word, [](std::int64_t w, const Range& c) { return w < c.end; });
  return above - clusters_.begin();
}

Range VocabularyStripes::rows(std::int64_t cluster, int place) const {
  std::int64_t begin = 0;
  for (std::int64_t c = 0; c < cluster; ++c) begin += stripe(c, place).size();
  return {begin, begin + stripe(cluster, place).size()};
}

std::int64_t VocabularyStripes::most_rows() const { return rows_of(0); }  // where shard_range puts what is left over

int VocabularyStripes::owner(std::int64_t word) const {
  const Range cluster = words(cluster_of(word));
  // shard_range: the first `extra` parts have base + 1 words
  const std::int64_t place = word - cluster.begin, base = cluster.size() / ranks_, extra = cluster.size() % ranks_;
  const std::int64_t long_part = extra * (base + 1);
  return static_cast<int>(place < long_part ? place / (base + 1) : extra + (place - long_part) / base);
}

std::int64_t VocabularyStripes::row(std::int64_t word) const {
  const std::int64_t cluster = cluster_of(word);
  const int place = owner(word);
  return rows(cluster, place).begin + word - stripe(cluster, place).begin;
}

}  // namespace trellis
