// manifest.json of a corpus directory: what it holds and how to tell that it is whole (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/corpus_format.h"
#include "corpus/shard.h"

namespace trellis {

// How much text a split was made of.
struct TextSize {
  std::int64_t bytes = 0;                  // as read, newlines included
  std::optional<std::int64_t> characters;  // Unicode code points; of words and characters, whose text is UTF-8
  bool operator==(const TextSize&) const = default;
};

struct SplitEntry {
  std::int64_t tokens = 0;   // the sum over its shards
  std::int64_t unknown = 0;  // how many of them are <unk>
  std::vector<ShardEntry> shards;
  std::optional<TextSize> text = {};  // unknown in corpora of version 1
  bool operator==(const SplitEntry&) const = default;
};

struct VocabularyEntry {
  std::string file = kVocabularyFile;
  std::int64_t words = 0, bytes = 0;
  std::string xxh3_128;  // of the whole file
  std::string hash;      // of its meaning: Vocabulary::hash()
  bool operator==(const VocabularyEntry&) const = default;
};

struct Manifest {
  std::string written_by;
  Unit unit = Unit::word;
  bool end_of_line = true;     // every line ends with <eos>
  std::int64_t min_count = 1;  // rarer tokens of the training split became <unk>
  VocabularyEntry vocabulary;
  std::map<std::string, SplitEntry> splits;  // by name, of kSplitNames
  bool operator==(const Manifest&) const = default;

  Lines lines() const { return end_of_line ? Lines::end_with_eos : Lines::are_whitespace; }
};

std::string manifest_text(const Manifest& manifest);

// `where` is named in errors. Refuses (DataError) what is not exactly a manifest of this version: wrong types, unknown
// or missing keys, deep nesting, names that are not plain file names, sums that do not agree.
Manifest parse_manifest(std::string_view text, const std::string& where);

Manifest read_manifest(const std::filesystem::path& directory);  // MissingInputError when there is none
void write_manifest(const std::filesystem::path& directory, const Manifest& manifest);  // WriteError

}  // namespace trellis
