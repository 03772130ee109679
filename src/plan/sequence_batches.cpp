#include "plan/sequence_batches.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/errors.h"

namespace trellis {

SequenceBatches::SequenceBatches(std::int64_t sequences, std::int64_t lanes, const std::string& where)
    : sequences_(sequences), lanes_(lanes) {
  if (lanes < 1) throw ConfigError(fmt::format("{} lanes, expected at least 1", lanes), where, "");
  if (sequences < 1) throw ConfigError(fmt::format("{} sequences, expected at least 1", sequences), where, "");
}

Range SequenceBatches::places(std::int64_t index) const { return places(index, {0, lanes_}); }

Range SequenceBatches::places(std::int64_t index, Range lanes) const {
  require(index >= 0 && index < batches(), "a batch was asked for that the plan does not have");
  require(lanes.begin >= 0 && lanes.begin <= lanes.end && lanes.end <= lanes_,
          "lanes were asked for that do not exist");
  const std::int64_t first = index * lanes_;
  return {std::min(first + lanes.begin, sequences_), std::min(first + lanes.end, sequences_)};
}

}  // namespace trellis
