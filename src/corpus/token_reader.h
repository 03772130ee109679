// A split's tokens as one stream, whatever shards they lie in. Reads by pread only, has no
// state, so any number of threads may read at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "corpus/shard.h"

namespace trellis {

class TokenReader {
 public:
  // shards: in stream order, their names as errors shall show them.
  TokenReader(std::string split, std::vector<OpenShard> shards, std::int64_t vocabulary_size);

  const std::string& split() const { return split_; }
  std::int64_t tokens() const { return starts_.back(); }
  std::int64_t vocabulary_size() const { return vocabulary_size_; }

  // Fills `into` with tokens [first, first + into.size()), all of which must exist. Throws DataError for an id outside
  // the vocabulary, naming shard and index, and for a shard that was cut since it was opened.
  void read(std::int64_t first, std::span<std::uint32_t> into) const;
  void read(std::int64_t first, std::span<std::int64_t> into) const;

 private:
  std::string split_;
  std::vector<OpenShard> shards_;
  std::vector<std::int64_t> starts_;  // starts_[i]: the stream index of shard i's first token; one more at the end
  std::int64_t vocabulary_size_;
};

}  // namespace trellis
