#include "corpus/sequence_corpus.h"

#include <string>

#include "corpus/split_names.h"

namespace trellis {

SequenceCorpus SequenceCorpus::open(const std::filesystem::path& directory) {
  return {directory, read_sequence_manifest(directory)};
}

bool SequenceCorpus::has_split(std::string_view name) const { return manifest_.splits.contains(std::string(name)); }

const SequenceSplitEntry& SequenceCorpus::split(std::string_view name) const {
  return split_named(manifest_.splits, name, directory_);
}

std::int64_t SequenceCorpus::sequences(std::string_view name) const { return split(name).sequences; }

std::shared_ptr<const SequenceReader> SequenceCorpus::open_split(std::string_view name, Verify verify) const {
  const auto reader = std::make_shared<SequenceReader>(std::string(name), description());
  for (const SequenceShardEntry& entry : split(name).shards)
    reader->add(open_sequence_shard(directory_, entry, description(), verify));
  return reader;
}

}  // namespace trellis
