// How large a split of a run's data is, by the manifest.
#pragma once

#include <cstdint>
#include <string>

#include "train/dataset.h"

namespace trellis {

struct SplitSize {
  std::int64_t items = 0;  // tokens of a text, or sequences
  std::int64_t bytes = 0;  // of its shards
};

// Throws MissingInputError for a split that there is not.
SplitSize size_of_split(const Dataset& data, const std::string& split);

}  // namespace trellis
