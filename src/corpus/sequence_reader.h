// A split's labelled sequences by number, whatever shards they lie in. Reads by pread only, has
// no state, so any number of threads may read at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "corpus/sequence_description.h"
#include "corpus/sequence_shard.h"

namespace trellis {

class SequenceReader {
 public:
  // shards: in the order of their sequences, their names as errors shall show them.
  SequenceReader(std::string split, std::vector<OpenSequenceShard> shards, SequenceDescription description);

  const std::string& split() const { return split_; }
  std::int64_t sequences() const { return starts_.back(); }
  const SequenceDescription& description() const { return description_; }
  std::int64_t steps() const { return description_.steps; }
  std::int64_t channels() const { return description_.channels; }
  std::int64_t classes() const { return description_.classes; }

  // Reads sequences [first, first + n), all of which must exist: pixels [n, steps, channels], labels [n], n being the
  // size of `labels`. Throws DataError for a label outside the classes, naming shard and index, and for a shard that
  // was cut since it was opened.
  void read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const;

 private:
  std::string split_;
  std::vector<OpenSequenceShard> shards_;
  std::vector<std::int64_t> starts_;  // starts_[i]: the number of shard i's first sequence; one more at the end
  SequenceDescription description_;
};

}  // namespace trellis
