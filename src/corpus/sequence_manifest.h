// manifest.json of a directory of labelled sequences: what it holds and how to tell that it is whole (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/sequence_description.h"
#include "corpus/sequence_shard.h"

namespace trellis {

struct SequenceSplitEntry {
  std::int64_t sequences = 0;  // the sum over its shards
  std::vector<SequenceShardEntry> shards;
  bool operator==(const SequenceSplitEntry&) const = default;
};

struct SequenceManifest {
  std::string written_by;
  SequenceDescription description;
  std::map<std::string, SequenceSplitEntry> splits;  // by name, of kSplitNames
  bool operator==(const SequenceManifest&) const = default;
};

std::string manifest_text(const SequenceManifest& manifest);

// `where` is named in errors. Refuses (DataError) what is not exactly a manifest of this kind and version, as
// parse_manifest does for text.
SequenceManifest parse_sequence_manifest(std::string_view text, const std::string& where);

SequenceManifest read_sequence_manifest(
    const std::filesystem::path& directory);  // MissingInputError when there is none
void write_manifest(const std::filesystem::path& directory, const SequenceManifest& manifest);  // WriteError

}  // namespace trellis
