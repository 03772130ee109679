// A split's labelled sequences by number, whatever shards they lie in and however many (corpus/file_pool.h). Reads by pread
// only; any number of threads may read at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "corpus/file_pool.h"
#include "corpus/sequence_description.h"
#include "corpus/sequence_shard.h"

namespace trellis {

class SequenceReader {
 public:
  SequenceReader(std::string split, SequenceDescription description, std::size_t most_open = default_open_files());
  // The split's next shard. Before anything is read.
  void add(OpenSequenceShard shard);

  const std::string& split() const { return split_; }
  std::int64_t sequences() const { return starts_.back(); }
  const SequenceDescription& description() const { return description_; }
  std::int64_t steps() const { return description_.steps; }
  std::int64_t channels() const { return description_.channels; }
  std::int64_t classes() const { return description_.classes; }

  // Reads sequences [first, first + n), all of which must exist: pixels [n, steps, channels], labels [n], n being the
  // size of `labels`. Throws DataError for a label outside the classes, naming shard and index, and for a shard that
  // was cut or replaced since it was added; MissingInputError where the system does not give it.
  void read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const;

 private:
  struct Offsets {
    std::int64_t pixels, labels;  // of a shard's first sequence in its file, in bytes
  };

  std::string split_;
  FilePool files_;
  std::vector<Offsets> offsets_;
  std::vector<std::int64_t> starts_;  // starts_[i]: the number of shard i's first sequence; one more at the end
  SequenceDescription description_;
};

}  // namespace trellis
