// Which rows of the loss each rank of a mesh works for. A replica's rows are those of all its outputs that carry loss, the
// final output first, then the auxiliary ones: row = output * rows_per_output + step * lanes + lane. They lie with the stage
// that has the output's level and are dealt evenly to the replica's ranks, so that no rank is idle during the loss: a rank's
// share. A vocabulary group works on the shares of its ranks together, segment by segment, each rank giving equally many
// rows to a segment (the last ones of a share perhaps none). Integers only.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/mesh.h"
#include "plan/shard_range.h"
#include "plan/trellis_shape.h"

namespace trellis {

// The stage that has each output, by output number.
std::vector<int> output_holders(const TrellisShape& shape, int stages);

// Rows of one output that are held by a stage and are part of another rank's share (or of its own).
struct RowTransfer {
  int from = 0, to = 0;        // stages
  std::int64_t output = 0;
  Range rows;                  // of the output's rows
  std::int64_t place = 0;      // of the first of them in the share
  bool operator==(const RowTransfer&) const = default;
};

class LossShares {
 public:
  // holders: as output_holders. scored_steps: of the window, >= 1; lanes: of all replicas.
  LossShares(const Mesh& mesh, std::vector<int> holders, std::int64_t scored_steps, std::int64_t lanes);

  std::int64_t outputs() const { return static_cast<std::int64_t>(holders_.size()); }
  std::int64_t rows_per_output(int replica) const { return scored_steps_ * mesh_.lanes_of_replica(lanes_, replica).size(); }
  // Rows of the replica that are this rank's share.
  Range share(int rank) const;
  // All transfers within a replica; by output, then by receiving stage. Those from a stage to itself are among them.
  std::vector<RowTransfer> transfers(int replica) const;

  // Segments of a group, when each of its ranks gives `rows` rows to one (the last may need fewer).
  std::int64_t segments(int group, std::int64_t rows) const;
  // The largest share of a group's ranks.
  std::int64_t largest_share(int group) const;
  // Rows of segment `segment` in the share of `rank`, counted from the share's first; perhaps none.
  Range segment_rows(int rank, std::int64_t segment, std::int64_t rows) const;

 private:
  Mesh mesh_;
  std::vector<int> holders_;
  std::int64_t scored_steps_, lanes_;
};

}  // namespace trellis
