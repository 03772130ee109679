#include "train/split_size.h"

namespace trellis {
namespace {

template <class Splits>
std::int64_t bytes_of(const Splits& splits, const std::string& split) {
  std::int64_t bytes = 0;
  for (const auto& shard : splits.at(split).shards) bytes += shard.bytes;
  return bytes;
}

}  // namespace

SplitSize size_of_split(const Dataset& data, const std::string& split) {
  if (data.is_text()) return {.items = data.text().tokens(split), .bytes = bytes_of(data.text().manifest().splits, split)};
  return {.items = data.sequences().sequences(split), .bytes = bytes_of(data.sequences().manifest().splits, split)};
}

}  // namespace trellis
