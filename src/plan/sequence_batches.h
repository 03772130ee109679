// Which sequences a batch of a classifier holds. A pass goes through N sequences in an order of its own; batch w takes
// the places [w B, (w + 1) B) of that order, one a lane, and the last batch those that are left. Lane b of batch w is
// thus place w B + b, whatever rank owns the lane. Integers only.
#pragma once

#include <cstdint>
#include <string>

#include "plan/shard_range.h"

namespace trellis {

class SequenceBatches {
 public:
  // where: what the sequences are, for errors ("split 'valid'"). Throws ConfigError (78) when there are no sequences or
  // no lanes.
  SequenceBatches(std::int64_t sequences, std::int64_t lanes, const std::string& where);

  std::int64_t sequences() const { return sequences_; }
  std::int64_t lanes() const { return lanes_; }                                // of every batch but perhaps the last
  std::int64_t batches() const { return (sequences_ + lanes_ - 1) / lanes_; }  // in one pass
  // The places of batch `index`, 0 <= index < batches().
  Range places(std::int64_t index) const;
  // Those of them that the global lanes [lanes.begin, lanes.end) hold: fewer in a short batch, perhaps none.
  Range places(std::int64_t index, Range lanes) const;

  bool operator==(const SequenceBatches&) const = default;

 private:
  std::int64_t sequences_, lanes_;
};

}  // namespace trellis
