#include "plan/loss_shares.h"

#include <algorithm>
#include <utility>

#include "plan/pipeline_schedule.h"

namespace trellis {

std::vector<int> output_holders(const TrellisShape& shape, int stages) {
  std::vector<int> holders;
  for (std::int64_t number = 0; number < shape.output_count(); ++number) {
    const std::int64_t level = number == 0 ? shape.levels - 1 : number * shape.auxiliary_every - 1;
    holders.push_back(stage_of_level(shape.levels, stages, level));
  }
  return holders;
}

LossShares::LossShares(const Mesh& mesh, std::vector<int> holders, std::int64_t scored_steps, std::int64_t lanes)
    : mesh_(mesh), holders_(std::move(holders)), scored_steps_(scored_steps), lanes_(lanes) {}

Range LossShares::share(int rank) const {
  return shard_range(outputs() * rows_per_output(mesh_.replica_of(rank)), mesh_.pipeline, mesh_.stage_of(rank));
}

std::vector<RowTransfer> LossShares::transfers(int replica) const {
  std::vector<RowTransfer> transfers;
  const std::int64_t rows = rows_per_output(replica);
  for (std::int64_t output = 0; output < outputs(); ++output) {
    for (int stage = 0; stage < mesh_.pipeline; ++stage) {
      const Range share = this->share(mesh_.rank_of(replica, stage));
      const Range common{std::max(share.begin, output * rows), std::min(share.end, (output + 1) * rows)};
      if (common.empty()) continue;
      transfers.push_back({.from = holders_[static_cast<std::size_t>(output)], .to = stage, .output = output,
                           .rows = {common.begin - output * rows, common.end - output * rows}, .place = common.begin - share.begin});
    }
  }
  return transfers;
}

std::int64_t LossShares::largest_share(int group) const {
  std::int64_t largest = 0;
  const Range ranks = mesh_.ranks_of_group(group);
  for (std::int64_t rank = ranks.begin; rank < ranks.end; ++rank) largest = std::max(largest, share(static_cast<int>(rank)).size());
  return largest;
}

std::int64_t LossShares::segments(int group, std::int64_t rows) const { return (largest_share(group) + rows - 1) / rows; }

Range LossShares::segment_rows(int rank, std::int64_t segment, std::int64_t rows) const {
  const std::int64_t size = share(rank).size();
  return {std::min(segment * rows, size), std::min((segment + 1) * rows, size)};
}

}  // namespace trellis
