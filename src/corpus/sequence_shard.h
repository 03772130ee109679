// One shard of labelled sequences: an HDF5 file with /pixels and /labels, a contiguous run of a split's sequences
// (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/verify.h"
#include "corpus/sequence_description.h"
#include "storage/file.h"

namespace trellis {

// What the manifest says of a shard.
struct SequenceShardEntry {
  std::string file;  // plain name inside the corpus directory
  std::int64_t sequences = 0, bytes = 0;
  std::string xxh3_128;  // of the whole file
  bool operator==(const SequenceShardEntry&) const = default;
};

// Writes a split's sequences into shards of `shard_sequences` (the last may have fewer), given how many there will be.
// Keeps nothing in memory: append many at a time. Throws WriteError.
class SequenceSplitWriter {
 public:
  SequenceSplitWriter(std::filesystem::path directory, std::string split, SequenceDescription description,
                      std::int64_t sequences, std::int64_t shard_sequences);

  // pixels [n, steps, channels], labels [n], each below the number of classes.
  void append(std::span<const std::uint8_t> pixels, std::span<const std::uint8_t> labels);
  // The shards, each hashed and brought to the disk, after exactly the announced sequences.
  std::vector<SequenceShardEntry> finish();

 private:
  void begin_shard();
  void end_shard();

  std::filesystem::path directory_;
  std::string split_;
  SequenceDescription description_;
  std::int64_t sequences_, shard_sequences_;
  std::int64_t appended_ = 0, in_shard_ = 0, this_shard_ = 0, pixels_offset_ = 0, labels_offset_ = 0;
  std::vector<File> file_;  // the open shard: none or one
  std::vector<SequenceShardEntry> entries_;
};

struct OpenSequenceShard {
  File file;
  std::int64_t pixels_offset, labels_offset;  // of the first sequence's, in bytes
  std::int64_t sequences;
};

// Opens a shard under the opening policy of hdf5/flat_file.h: size and hash first, then structure, then what it
// says of its sequences against `description`. Throws DataError or MissingInputError naming the file.
OpenSequenceShard open_sequence_shard(const std::filesystem::path& directory, const SequenceShardEntry& entry,
                                      const SequenceDescription& description, Verify verify);

}  // namespace trellis
