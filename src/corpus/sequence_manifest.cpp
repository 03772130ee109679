#include "corpus/sequence_manifest.h"

#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "corpus/corpus_kind.h"
#include "corpus/manifest_json.h"
#include "corpus/sequence_format.h"

namespace trellis {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

SequenceDescription parse_description(const ManifestObject& root) {
  SequenceDescription description{root.count("steps", 1, kMaxSteps),
                                  root.count("channels", 1, kMaxChannels),
                                  root.count("classes", 2, kMaxClasses),
                                  {root.numbers("mean"), root.numbers("std")}};
  const auto expect_one_a_channel = [&](const char* key, const std::vector<double>& numbers) {
    if (static_cast<std::int64_t>(numbers.size()) != description.channels)
      root.refuse(key, fmt::format("has {} numbers, expected {}, one a channel", numbers.size(), description.channels));
  };
  expect_one_a_channel("mean", description.normalisation.mean);
  expect_one_a_channel("std", description.normalisation.deviation);
  for (const double deviation : description.normalisation.deviation)
    if (!(deviation > 0)) root.refuse("std", fmt::format("holds {}, expected numbers above 0", deviation));
  return description;
}

SequenceSplitEntry parse_split(const ManifestObject& split, std::set<std::string>& files) {
  split.expect_keys({"sequences", "shards"});
  SequenceSplitEntry entry{split.count("sequences", 1, kMaxSequences), {}};
  for (ListedShard& shard : parse_shards(split, "sequences", kMaxSequences, files))
    entry.shards.push_back({std::move(shard.file), shard.count, shard.bytes, std::move(shard.xxh3_128)});
  return entry;
}

}  // namespace

std::string manifest_text(const SequenceManifest& manifest) {
  ordered_json splits = ordered_json::object();
  for (const std::string_view name : kSplitNames) {
    const auto found = manifest.splits.find(std::string(name));
    if (found == manifest.splits.end()) continue;
    ordered_json shards = ordered_json::array();
    for (const SequenceShardEntry& shard : found->second.shards)
      shards.push_back(
          {{"file", shard.file}, {"sequences", shard.sequences}, {"bytes", shard.bytes}, {"xxh3_128", shard.xxh3_128}});
    splits[std::string(name)] = {{"sequences", found->second.sequences}, {"shards", shards}};
  }
  const SequenceDescription& description = manifest.description;
  const ordered_json all = {{"format", kSequencesFormat},
                            {"format_version", kSequencesFormatVersion},
                            {"written_by", manifest.written_by},
                            {"steps", description.steps},
                            {"channels", description.channels},
                            {"classes", description.classes},
                            {"mean", description.normalisation.mean},
                            {"std", description.normalisation.deviation},
                            {"splits", splits}};
  return all.dump(2) + "\n";
}

SequenceManifest parse_sequence_manifest(std::string_view text, const std::string& where) {
  const json parsed = parse_manifest_json(text, where);
  const ManifestObject root(parsed, "", where);
  expect_kind(root, CorpusKind::sequences);
  root.expect_keys({"format", "format_version", "written_by", "steps", "channels", "classes", "mean", "std", "splits"});
  SequenceManifest manifest{root.text("written_by"), parse_description(root), {}};
  std::set<std::string> files{kManifestFile};
  for_each_split(root, [&](const std::string& name, const ManifestObject& split) {
    manifest.splits[name] = parse_split(split, files);
  });
  return manifest;
}

SequenceManifest read_sequence_manifest(const std::filesystem::path& directory) {
  return parse_sequence_manifest(read_manifest_text(directory), manifest_path(directory).string());
}

void write_manifest(const std::filesystem::path& directory, const SequenceManifest& manifest) {
  write_manifest_text(directory, manifest_text(manifest));
}

}  // namespace trellis
