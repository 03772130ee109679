#include "corpus/corpus_manifest.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "corpus/corpus_kind.h"
#include "corpus/manifest_json.h"

namespace trellis {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

// The sizes of the text came with version 2; a split whose text has no characters to count is without them.
void expect_split_keys(const ManifestObject& split, std::int64_t version) {
  const bool bytes = version >= 2 && split.has("text_bytes"), characters = bytes && split.has("text_characters");
  if (characters) return split.expect_keys({"tokens", "unknown", "text_bytes", "text_characters", "shards"});
  if (bytes) return split.expect_keys({"tokens", "unknown", "text_bytes", "shards"});
  split.expect_keys({"tokens", "unknown", "shards"});
}

std::optional<TextSize> parse_text_size(const ManifestObject& split) {
  if (!split.has("text_bytes")) return std::nullopt;
  TextSize size{split.count("text_bytes", 1), std::nullopt};
  if (!split.has("text_characters")) return size;
  size.characters = split.count("text_characters", 1);
  if (*size.characters > size.bytes)
    split.refuse(split.at("text_characters"), fmt::format("is {}, more than the {} bytes", *size.characters, size.bytes));
  return size;
}

SplitEntry parse_split(const ManifestObject& split, std::int64_t version, std::set<std::string>& files) {
  expect_split_keys(split, version);
  SplitEntry entry{split.count("tokens", 1), split.count("unknown", 0), {}};
  for (ListedShard& shard : parse_shards(split, "tokens", kMaxShardTokens, files))
    entry.shards.push_back({std::move(shard.file), shard.count, shard.bytes, std::move(shard.xxh3_128)});
  if (entry.unknown > entry.tokens)
    split.refuse(split.at("unknown"), fmt::format("is {}, more than the {} tokens", entry.unknown, entry.tokens));
  entry.text = parse_text_size(split);
  return entry;
}

}  // namespace

std::string manifest_text(const Manifest& manifest) {
  ordered_json splits = ordered_json::object();
  for (const std::string_view name : kSplitNames) {
    const auto found = manifest.splits.find(std::string(name));
    if (found == manifest.splits.end()) continue;
    ordered_json shards = ordered_json::array();
    for (const ShardEntry& shard : found->second.shards)
      shards.push_back(
          {{"file", shard.file}, {"tokens", shard.tokens}, {"bytes", shard.bytes}, {"xxh3_128", shard.xxh3_128}});
    ordered_json split = {{"tokens", found->second.tokens}, {"unknown", found->second.unknown}};
    if (const auto& text = found->second.text) {
      split["text_bytes"] = text->bytes;
      if (text->characters) split["text_characters"] = *text->characters;
    }
    split["shards"] = shards;
    splits[std::string(name)] = split;
  }
  const VocabularyEntry& vocabulary = manifest.vocabulary;
  const ordered_json all = {{"format", kCorpusFormat},
                            {"format_version", kCorpusManifestVersion},
                            {"written_by", manifest.written_by},
                            {"unit", unit_name(manifest.unit)},
                            {"end_of_line", manifest.end_of_line},
                            {"min_count", manifest.min_count},
                            {"vocabulary",
                             {{"file", vocabulary.file},
                              {"words", vocabulary.words},
                              {"bytes", vocabulary.bytes},
                              {"xxh3_128", vocabulary.xxh3_128},
                              {"hash", vocabulary.hash}}},
                            {"splits", splits}};
  return all.dump(2) + "\n";
}

Manifest parse_manifest(std::string_view text, const std::string& where) {
  const json parsed = parse_manifest_json(text, where);
  const ManifestObject root(parsed, "", where);
  expect_kind(root, CorpusKind::text);
  root.expect_keys(
      {"format", "format_version", "written_by", "unit", "end_of_line", "min_count", "vocabulary", "splits"});

  const std::int64_t version = root.count("format_version", 1, kCorpusManifestVersion);
  Manifest manifest;
  manifest.written_by = root.text("written_by");
  const std::optional<Unit> unit = unit_from_name(root.text("unit"));
  if (!unit) root.refuse("unit", "is not word, char or byte");
  manifest.unit = *unit;
  manifest.end_of_line = root.flag("end_of_line");
  manifest.min_count = root.count("min_count", 1);

  const ManifestObject vocabulary(root["vocabulary"], "vocabulary", where);
  vocabulary.expect_keys({"file", "words", "bytes", "xxh3_128", "hash"});
  manifest.vocabulary = {vocabulary.file_name("file"), vocabulary.count("words", 1, kMaxWords),
                         vocabulary.count("bytes", 1), vocabulary.hash("xxh3_128"), vocabulary.hash("hash")};

  std::set<std::string> files{manifest.vocabulary.file, kManifestFile};
  for_each_split(root, [&](const std::string& name, const ManifestObject& split) {
    manifest.splits[name] = parse_split(split, version, files);
  });
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& directory) {
  return parse_manifest(read_manifest_text(directory), manifest_path(directory).string());
}

void write_manifest(const std::filesystem::path& directory, const Manifest& manifest) {
  write_manifest_text(directory, manifest_text(manifest));
}

}  // namespace trellis
