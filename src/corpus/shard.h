// One shard: an HDF5 file with /tokens, a contiguous run of a split's token ids (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/verify.h"
#include "storage/file.h"

namespace trellis {

// What the manifest says of a shard.
struct ShardEntry {
  std::string file;  // plain name inside the corpus directory
  std::int64_t tokens = 0, bytes = 0;
  std::string xxh3_128;  // of the whole file
  bool operator==(const ShardEntry&) const = default;
};

// Writes a split's tokens into shards of `shard_tokens` (the last may be shorter), given how many there will be: a
// shard's size is part of its structure, and nothing but a small buffer stays in memory.
class SplitWriter {
 public:
  SplitWriter(std::filesystem::path directory, std::string split, std::int64_t tokens, std::int64_t shard_tokens,
              std::string vocabulary_hash);

  void append(std::span<const std::uint32_t> ids);
  // The shards, each hashed and brought to the disk. Throws DataError unless exactly the announced tokens were
  // appended.
  std::vector<ShardEntry> finish();

 private:
  void begin_shard();
  void end_shard();
  void flush();

  std::filesystem::path directory_;
  std::string split_;
  std::int64_t tokens_, shard_tokens_;
  std::string vocabulary_hash_;
  std::int64_t appended_ = 0, in_shard_ = 0, this_shard_ = 0, offset_ = 0;
  std::vector<std::uint32_t> buffer_;
  std::vector<File> file_;  // the open shard: none or one
  std::vector<ShardEntry> entries_;
};

struct OpenShard {
  File file;
  std::int64_t offset;  // of tokens[0], in bytes
  std::int64_t tokens;
};

// Opens a shard under the opening policy of hdf5/flat_file.h: size and hash first, then structure. Throws DataError
// or MissingInputError naming the file.
OpenShard open_shard(const std::filesystem::path& directory, const ShardEntry& entry,
                     const std::string& vocabulary_hash, Verify verify);

}  // namespace trellis
