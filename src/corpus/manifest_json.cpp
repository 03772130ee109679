#include "corpus/manifest_json.h"

#include <fmt/core.h>
#include <span>
#include <utility>

#include "base/errors.h"
#include "base/system_error.h"
#include "corpus/recorded_file.h"
#include "storage/content_hash.h"
#include "storage/file.h"
#include "storage/read_text.h"

namespace trellis {

using nlohmann::json;

namespace {

JsonSource source_at(const std::string& where) { return {"manifest", where, kMakeCorpusAgain}; }

}  // namespace

json parse_manifest_json(std::string_view text, const std::string& where) {
  return parse_json(text, {kMaxManifestBytes, kMaxManifestDepth, kMaxManifestValues}, source_at(where));
}

ManifestObject::ManifestObject(const json& value, std::string place, const std::string& where)
    : JsonObject(value, std::move(place), source_at(where)) {}

std::string ManifestObject::hash(const char* key) const {
  const std::string value = text(key);
  if (!is_hash(value)) refuse(at(key), "is not a hash of 32 hexadecimal digits");
  return value;
}

std::string ManifestObject::file_name(const char* key) const {
  const std::string name = text(key);
  const auto plain = [](char c) {
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  if (name.empty() || name.size() > 128 || name[0] == '.' || name[0] == '-' ||
      !std::all_of(name.begin(), name.end(), plain))
    refuse(at(key), fmt::format("is {}, expected a plain file name",
                                shown_json(std::string_view(name).substr(0, 64))));
  return name;
}

std::vector<ListedShard> parse_shards(const ManifestObject& split, const char* count_key, std::int64_t most_in_shard,
                                      std::set<std::string>& files) {
  const json& list = split["shards"];
  if (!list.is_array() || list.empty()) split.refuse(split.at("shards"), "is not a list of shards");
  std::vector<ListedShard> shards;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", split.at("shards"), i);
    const ManifestObject shard(list[i], place, split.where());
    shard.expect_keys({"file", count_key, "bytes", "xxh3_128"});
    shards.push_back({shard.file_name("file"), shard.count(count_key, 1, most_in_shard), shard.count("bytes", 1),
                      shard.hash("xxh3_128")});
    sum += shards.back().count;  // at most 2^36 * a list that fits in 64 MiB
    if (!files.insert(shards.back().file).second)
      split.refuse(place + ".file", fmt::format("is '{}' a second time", shards.back().file));
  }
  if (const std::int64_t all = split.count(count_key, 1); sum != all)
    split.refuse(split.at(count_key), fmt::format("is {}, but the shards have {} together", all, sum));
  return shards;
}

std::filesystem::path manifest_path(const std::filesystem::path& directory) { return directory / kManifestFile; }

std::string read_manifest_text(const std::filesystem::path& directory) {
  const std::filesystem::path path = manifest_path(directory);
  constexpr const char* name_one = "name the directory that trellis-preprocess wrote (--output)";
  const PathKind kind = kind_of_path(directory);
  if (kind != PathKind::directory)
    throw MissingInputError(kind == PathKind::absent ? "there is no such corpus directory"
                                                     : "is not a directory, expected a corpus directory",
                            directory.string(), name_one);
  if (kind_of_entry(path) == PathKind::absent)
    throw MissingInputError("has no manifest.json, so it is no corpus directory", directory.string(), name_one);
  return read_text(path, kMaxManifestBytes, "use fewer, larger shards (--shard-tokens, --shard-sequences)");
}

void write_manifest_text(const std::filesystem::path& directory, std::string_view text) {
  const File file = File::create(manifest_path(directory));
  file.write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  file.sync();
}

}  // namespace trellis
