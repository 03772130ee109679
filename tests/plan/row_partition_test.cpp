#include "plan/row_partition.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <random>

namespace trellis {
namespace {

std::int64_t bytes_of(const std::vector<RowBlock>& tensors, const std::vector<Range>& ranges) {
  std::int64_t bytes = 0;
  for (std::size_t t = 0; t < tensors.size(); ++t) bytes += ranges[t].size() * tensors[t].row_bytes;
  return bytes;
}

class RowPartition : public testing::TestWithParam<int> {
 protected:
  // Mixtures of scalars, wide matrices, tall embeddings and empty tensors.
  std::vector<std::vector<RowBlock>> cases() const {
    std::vector<std::vector<RowBlock>> all = {
        {},
        {{0, 4}},
        {{1, 8}},
        {{7, 1}, {1, 4}, {3, 0}},
        {{267735, 2048}, {8448, 16896}, {8448, 4}, {1, 8}, {40, 8448}},
        {{1, std::int64_t{1} << 50}, {std::int64_t{1} << 40, 1 << 12}},
    };
    std::mt19937_64 random(1);
    for (int i = 0; i < 200; ++i) {
      std::vector<RowBlock> tensors(random() % 12);
      for (auto& tensor : tensors)
        tensor = {static_cast<std::int64_t>(random() % (1ull << (random() % 20))),
                  static_cast<std::int64_t>(random() % (1ull << (random() % 16)))};
      all.push_back(std::move(tensors));
    }
    return all;
  }
};

TEST_P(RowPartition, TilesEveryTensorInRankOrder) {
  const int ranks = GetParam();
  for (const auto& tensors : cases()) {
    std::vector<std::int64_t> next(tensors.size(), 0);
    for (int rank = 0; rank < ranks; ++rank) {
      const auto ranges = partition_rows(tensors, ranks, rank);
      ASSERT_EQ(ranges.size(), tensors.size());
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        EXPECT_EQ(ranges[t].begin, next[t]);
        EXPECT_LE(ranges[t].begin, ranges[t].end);
        next[t] = ranges[t].end;
      }
    }
    for (std::size_t t = 0; t < tensors.size(); ++t) EXPECT_EQ(next[t], tensors[t].rows);
  }
}

TEST_P(RowPartition, DiffersFromTheEqualShareByAtMostOneLargestRow) {
  const int ranks = GetParam();
  for (const auto& tensors : cases()) {
    std::int64_t total = 0, largest = 1, zero_byte_rows = 0;
    for (const auto& tensor : tensors) {
      total += tensor.rows * tensor.row_bytes;
      if (tensor.rows > 0) largest = std::max(largest, tensor.row_bytes);
      if (tensor.row_bytes == 0) zero_byte_rows += tensor.rows;
    }
    if (zero_byte_rows > 0) continue;  // they count as one byte each, so the shares of real bytes shift
    for (int rank = 0; rank < ranks; ++rank)
      EXPECT_LE(std::abs(bytes_of(tensors, partition_rows(tensors, ranks, rank)) - total / ranks), largest + 1);
  }
}

TEST_P(RowPartition, GivesEachRankItsShareOfARealModelWithinOnePercent) {
  const int ranks = GetParam();
  const std::vector<RowBlock> tensors = {{33278, 512}, {1024, 1536}, {1024, 4}, {128, 4}, {1, 8}, {16, 1024}};
  std::int64_t total = 0;
  for (const auto& tensor : tensors) total += tensor.rows * tensor.row_bytes;
  for (int rank = 0; rank < ranks; ++rank) {
    const double share = static_cast<double>(bytes_of(tensors, partition_rows(tensors, ranks, rank)));
    EXPECT_NEAR(share, static_cast<double>(total) / ranks, 0.01 * static_cast<double>(total) / ranks);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, RowPartition, testing::Range(1, 8));

}  // namespace
}  // namespace trellis
