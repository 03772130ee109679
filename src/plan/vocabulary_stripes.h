// Which words each rank of a group owns, when the group holds one copy of the vocabulary together: of every cluster of the
// adaptive softmax (the head being the first) an even, contiguous stripe, so that every rank has the same work whatever the
// targets are. A rank keeps its stripes one after another, in the clusters' order: a word's *row* is its place there.
// With a group of one everything is owned, and a word's row is the word. Integers only.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/shard_range.h"

namespace trellis {

class VocabularyStripes {
 public:
  // cutoffs: first words of the tail clusters, rising; empty: one cluster. ranks >= 1.
  VocabularyStripes(std::int64_t vocabulary, const std::vector<std::int64_t>& cutoffs, int ranks);

  int ranks() const { return ranks_; }
  std::int64_t vocabulary() const { return clusters_.back().end; }
  std::int64_t clusters() const { return static_cast<std::int64_t>(clusters_.size()); }
  Range words(std::int64_t cluster) const { return clusters_[static_cast<std::size_t>(cluster)]; }
  std::int64_t cluster_of(std::int64_t word) const;

  // Words of a cluster that the rank at `place` owns, and their rows there; perhaps none.
  Range stripe(std::int64_t cluster, int place) const { return shift(shard_range(words(cluster).size(), ranks_, place), words(cluster).begin); }
  Range rows(std::int64_t cluster, int place) const;
  std::int64_t rows_of(int place) const { return rows(clusters() - 1, place).end; }
  std::int64_t most_rows() const;  // of any place

  int owner(std::int64_t word) const;
  std::int64_t row(std::int64_t word) const;  // at its owner

  bool operator==(const VocabularyStripes&) const = default;

 private:
  static Range shift(Range range, std::int64_t by) { return {range.begin + by, range.end + by}; }

  std::vector<Range> clusters_;
  int ranks_;
};

}  // namespace trellis
