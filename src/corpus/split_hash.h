// What a split holds, as one hash: equal for two splits if they were written alike from the same text or sequences.
#pragma once

#include <string>

#include "storage/content_hash.h"

namespace trellis {

// XXH3-128 over the digits of its shards' hashes, in order (docs/formats.md, `data` of a checkpoint's state). Split is SplitEntry
// or SequenceSplitEntry.
template <class Split>
std::string split_hash(const Split& split) {
  ContentHash hash;
  for (const auto& shard : split.shards) hash.add(shard.xxh3_128);
  return hash.hex();
}

}  // namespace trellis
