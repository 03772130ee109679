#include "corpus/manifest.h"

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

SplitEntry parse_split(const ManifestObject& split, std::set<std::string>& files) {
  split.expect_keys({"tokens", "unknown", "shards"});
  SplitEntry entry{split.count("tokens", 1), split.count("unknown", 0), {}};
  for (ListedShard& shard : parse_shards(split, "tokens", kMaxShardTokens, files))
    entry.shards.push_back({std::move(shard.file), shard.count, shard.bytes, std::move(shard.xxh3_128)});
  if (entry.unknown > entry.tokens)
    split.refuse(split.at("unknown"), fmt::format("is {}, more than the {} tokens", entry.unknown, entry.tokens));
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
    splits[std::string(name)] = {
        {"tokens", found->second.tokens}, {"unknown", found->second.unknown}, {"shards", shards}};
  }
  const VocabularyEntry& vocabulary = manifest.vocabulary;
  const ordered_json all = {{"format", kCorpusFormat},
                            {"format_version", kCorpusFormatVersion},
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
    manifest.splits[name] = parse_split(split, files);
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
