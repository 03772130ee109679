#include "plan/loss_shares.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "plan/pipeline_schedule.h"

namespace trellis {
namespace {

// Every mesh up to eight ranks, with groups that straddle replicas, replicas without lanes, one row and many outputs.
template <class F>
void for_every_case(const F& f) {
  for (int data = 1; data <= 4; ++data)
    for (int pipeline = 1; pipeline <= 4; ++pipeline)
      for (int vocabulary = 1; vocabulary <= data * pipeline; ++vocabulary) {
        if (data * pipeline % vocabulary != 0) continue;
        for (const std::int64_t lanes : {1, 2, 3, 5, 16})
          for (const std::int64_t steps : {1, 2, 13})
            for (const std::int64_t outputs : {1, 2, 4}) {
              std::vector<int> holders{pipeline - 1};
              for (std::int64_t n = 1; n < outputs; ++n) holders.push_back(stage_of_level(16, pipeline, n * 16 / outputs - 1));
              const Mesh mesh{data, pipeline, vocabulary};
              f(mesh, holders, LossShares(mesh, holders, steps, lanes), steps, lanes);
            }
      }
}

TEST(LossShares, TileAReplicasRowsAndDifferByOneRow) {
  for_every_case([](const Mesh& mesh, const std::vector<int>& holders, const LossShares& shares, std::int64_t steps, std::int64_t lanes) {
    for (int replica = 0; replica < mesh.data; ++replica) {
      const std::int64_t rows = shares.rows_per_output(replica);
      ASSERT_EQ(rows, steps * mesh.lanes_of_replica(lanes, replica).size());
      std::int64_t next = 0, least = rows * shares.outputs(), most = 0;
      for (int stage = 0; stage < mesh.pipeline; ++stage) {
        const Range share = shares.share(mesh.rank_of(replica, stage));
        ASSERT_EQ(share.begin, next);
        next = share.end;
        least = std::min(least, share.size()), most = std::max(most, share.size());
      }
      ASSERT_EQ(next, rows * static_cast<std::int64_t>(holders.size()));
      ASSERT_LE(most - least, 1);
    }
  });
}

TEST(LossShares, TransfersBringEveryRowFromItsHolderToItsPlaceOnce) {
  for_every_case([](const Mesh& mesh, const std::vector<int>& holders, const LossShares& shares, std::int64_t, std::int64_t) {
    for (int replica = 0; replica < mesh.data; ++replica) {
      const std::int64_t rows = shares.rows_per_output(replica);
      std::map<int, std::set<std::int64_t>> filled;  // places of each stage's share
      std::set<std::pair<std::int64_t, std::int64_t>> moved;
      std::pair<std::int64_t, int> last{0, -1};
      for (const RowTransfer& transfer : shares.transfers(replica)) {
        ASSERT_EQ(transfer.from, holders[static_cast<std::size_t>(transfer.output)]);
        ASSERT_FALSE(transfer.rows.empty());
        ASSERT_GT((std::pair{transfer.output, transfer.to}), last) << "by output, then by receiver";
        last = {transfer.output, transfer.to};
        const Range share = shares.share(mesh.rank_of(replica, transfer.to));
        for (std::int64_t n = 0; n < transfer.rows.size(); ++n) {
          const std::int64_t row = transfer.rows.begin + n;
          ASSERT_LT(row, rows);
          ASSERT_TRUE(moved.insert({transfer.output, row}).second);
          ASSERT_EQ(share.begin + transfer.place + n, transfer.output * rows + row);
          ASSERT_TRUE(filled[transfer.to].insert(transfer.place + n).second);
        }
      }
      for (int stage = 0; stage < mesh.pipeline; ++stage) {
        ASSERT_EQ(static_cast<std::int64_t>(filled[stage].size()), shares.share(mesh.rank_of(replica, stage)).size());
      }
    }
  });
}

TEST(LossShares, SegmentsCoverEveryShareOfAGroup) {
  for_every_case([](const Mesh& mesh, const std::vector<int>&, const LossShares& shares, std::int64_t, std::int64_t) {
    for (int group = 0; group < mesh.groups(); ++group)
      for (const std::int64_t rows : {1, 3, 1000}) {
        const std::int64_t segments = shares.segments(group, rows);
        const Range ranks = mesh.ranks_of_group(group);
        std::int64_t largest = 0;
        for (std::int64_t rank = ranks.begin; rank < ranks.end; ++rank) {
          const std::int64_t size = shares.share(static_cast<int>(rank)).size();
          largest = std::max(largest, size);
          std::int64_t next = 0;
          for (std::int64_t segment = 0; segment < segments; ++segment) {
            const Range part = shares.segment_rows(static_cast<int>(rank), segment, rows);
            ASSERT_EQ(part.begin, next);
            ASSERT_LE(part.size(), rows);
            ASSERT_TRUE(part.size() == rows || part.end == size) << "only the last rows make a short segment";
            next = part.end;
          }
          ASSERT_EQ(next, size);
        }
        ASSERT_EQ(shares.largest_share(group), largest);
        ASSERT_EQ(segments == 0, largest == 0) << "no scored rows, no segment; and no segment that nobody has rows for";
        ASSERT_LT((segments - 1) * rows, std::max<std::int64_t>(largest, 1));
      }
  });
}

}  // namespace
}  // namespace trellis
