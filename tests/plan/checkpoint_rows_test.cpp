#include "plan/checkpoint_rows.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "plan/vocabulary_stripes.h"

namespace trellis {
namespace {

constexpr std::int64_t kVocabulary = 2003, kWordBytes = 96;
const std::vector<std::int64_t> kCutoffs{100, 103, 900};

// An embedding and a bias in stripes, with a kernel and a gain between and behind them that are whole.
std::vector<HeldRows> tensors_of(const VocabularyStripes& stripes, int place) {
  const std::int64_t words = stripes.rows_of(place);
  return {{{words, kWordBytes}, true}, {{640, 200}, false}, {{words, 8}, true}, {{77, 8}, false}};
}

class CheckpointRows : public testing::TestWithParam<Mesh> {
 protected:
  const Mesh mesh_ = GetParam();
  const VocabularyStripes stripes_{kVocabulary, kCutoffs, mesh_.vocabulary};
  std::vector<Range> rows_of(int rank) const { return rows_to_write(tensors_of(stripes_, mesh_.place_of(rank)), mesh_, rank); }
};
INSTANTIATE_TEST_SUITE_P(Meshes, CheckpointRows,
                         testing::Values(Mesh{}, Mesh{3, 1, 1}, Mesh{1, 4, 1}, Mesh{4, 1, 4}, Mesh{2, 2, 2}, Mesh{2, 3, 2}, Mesh{2, 3, 3},
                                         Mesh{1, 6, 2}, Mesh{4, 2, 8}),
                         [](const auto& p) { return fmt::format("{}_{}_{}", p.param.data, p.param.pipeline, p.param.vocabulary); });

// Of a striped tensor every place's rows, of the others all rows: each written by one rank.
TEST_P(CheckpointRows, AreEachWrittenOnce) {
  const std::size_t count = tensors_of(stripes_, 0).size();
  for (std::size_t t = 0; t < count; ++t) {
    for (int place = 0; place < mesh_.vocabulary; ++place) {
      const HeldRows tensor = tensors_of(stripes_, place)[t];
      std::vector<int> writers(static_cast<std::size_t>(tensor.memory.rows), 0);
      for (int rank = 0; rank < mesh_.ranks(); ++rank) {
        if (tensor.striped && mesh_.place_of(rank) != place) continue;
        const Range rows = rows_of(rank)[t];
        for (std::int64_t row = rows.begin; row < rows.end; ++row) ++writers.at(static_cast<std::size_t>(row));
      }
      EXPECT_EQ(std::count(writers.begin(), writers.end(), 1), tensor.memory.rows) << "tensor " << t << ", place " << place;
    }
  }
}

// Stripes differ by at most a word a cluster; each of the two cuts then moves to the nearest row.
TEST_P(CheckpointRows, AreAboutAsManyBytesOnEveryRank) {
  const std::int64_t total = kVocabulary * (kWordBytes + 8) + 640 * 200 + 77 * 8;
  const std::int64_t limit = stripes_.clusters() * (kWordBytes + 8) + kWordBytes + 200;
  for (int rank = 0; rank < mesh_.ranks(); ++rank) {
    const auto tensors = tensors_of(stripes_, mesh_.place_of(rank));
    const auto rows = rows_of(rank);
    std::int64_t bytes = 0;
    for (std::size_t t = 0; t < tensors.size(); ++t) bytes += rows[t].size() * tensors[t].memory.row_bytes;
    EXPECT_LE(std::abs(bytes - total / mesh_.ranks()), limit) << rank;
  }
}

TEST(CheckpointRowsOfWholeTensors, AreThoseOfPartitionRows) {
  const std::vector<HeldRows> held{{{300, 40}, false}, {{20, 8}, false}};
  const std::vector<RowBlock> blocks{{300, 40}, {20, 8}};
  for (int rank = 0; rank < 6; ++rank) EXPECT_EQ(rows_to_write(held, Mesh{2, 3, 1}, rank), partition_rows(blocks, 6, rank));
}

}  // namespace
}  // namespace trellis
