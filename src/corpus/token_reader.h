// A split's tokens as one stream, whatever shards they lie in and however many (corpus/file_pool.h). Reads by pread
// only; any number of threads may read at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "corpus/file_pool.h"
#include "corpus/shard.h"

namespace trellis {

class TokenReader {
 public:
  TokenReader(std::string split, std::int64_t vocabulary_size, std::size_t most_open = default_open_files());
  // The split's next shard. Before anything is read.
  void add(OpenShard shard);

  const std::string& split() const { return split_; }
  std::int64_t tokens() const { return starts_.back(); }
  std::int64_t vocabulary_size() const { return vocabulary_size_; }

  // Fills `into` with tokens [first, first + into.size()), all of which must exist. Throws DataError for an id outside
  // the vocabulary, naming shard and index, and for a shard that was cut or replaced since it was added; MissingInputError
  // where the system does not give it.
  void read(std::int64_t first, std::span<std::uint32_t> into) const;
  void read(std::int64_t first, std::span<std::int64_t> into) const;

 private:
  std::string split_;
  FilePool files_;
  std::vector<std::int64_t> offsets_;  // of each shard's first token in its file, in bytes
  std::vector<std::int64_t> starts_;   // starts_[i]: the stream index of shard i's first token; one more at the end
  std::int64_t vocabulary_size_;
};

}  // namespace trellis
