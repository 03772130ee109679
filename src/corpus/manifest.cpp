#include "corpus/manifest.h"

#include <algorithm>
#include <fmt/core.h>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <system_error>

#include "base/errors.h"
#include "corpus/content_hash.h"
#include "corpus/file.h"

namespace trellis {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;  // whole numbers that every JSON reader keeps exactly

// One object of the manifest, with its place in error messages ("splits.train.shards[2]").
class Object {
 public:
  Object(const json& value, std::string place, const std::string& where)
      : value_(value), place_(std::move(place)), where_(where) {
    if (!value.is_object()) refuse(place_, fmt::format("is {}, expected an object", value.type_name()));
  }

  void expect_keys(std::initializer_list<const char*> keys) const {
    for (const char* key : keys)
      if (!value_.contains(key)) refuse(at(key), "is missing");
    for (const auto& [key, _] : value_.items())
      if (std::find(keys.begin(), keys.end(), key) == keys.end())
        refuse(at(key.substr(0, 64)), "is not a key of this format");
  }
  std::string text(const char* key) const {
    const json& value = value_.at(key);
    if (!value.is_string()) refuse(at(key), fmt::format("is {}, expected a string", value.type_name()));
    return value.get<std::string>();
  }
  bool flag(const char* key) const {
    const json& value = value_.at(key);
    if (!value.is_boolean()) refuse(at(key), fmt::format("is {}, expected true or false", value.type_name()));
    return value.get<bool>();
  }
  std::int64_t count(const char* key, std::int64_t least, std::int64_t most = kMaxCount) const {
    const json& value = value_.at(key);
    if (!value.is_number_integer())
      refuse(at(key), fmt::format("is {}, expected a whole number", value.dump().substr(0, 64)));
    const bool fits =
        value.is_number_unsigned() ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(kMaxCount) : true;
    const std::int64_t number = fits ? value.get<std::int64_t>() : kMaxCount + 1;
    if (number < least || number > most)
      refuse(at(key), fmt::format("is {}, expected {} to {}", value.dump(), least, most));
    return number;
  }
  std::string hash(const char* key) const {
    const std::string value = text(key);
    if (!is_hash(value)) refuse(at(key), "is not a hash of 32 hexadecimal digits");
    return value;
  }
  // A plain name inside the corpus directory: nothing that leads out of it, nothing hidden.
  std::string file_name(const char* key) const {
    const std::string name = text(key);
    const auto plain = [](char c) {
      return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '-' || c == '_' ||
             c == '.';
    };
    if (name.empty() || name.size() > 128 || name[0] == '.' || name[0] == '-' ||
        !std::all_of(name.begin(), name.end(), plain))
      refuse(at(key), fmt::format("is {}, expected a plain file name",
                                  json(name.substr(0, 64)).dump(-1, ' ', true, json::error_handler_t::replace)));
    return name;
  }
  const json& operator[](const char* key) const { return value_.at(key); }
  std::string at(const std::string& key) const { return place_.empty() ? key : place_ + "." + key; }
  [[noreturn]] void refuse(const std::string& place, std::string what) const {
    throw DataError(fmt::format("manifest: {} {}", place.empty() ? "the whole" : "'" + place + "'", what), where_,
                    "copy the corpus again, or make it again with trellis-preprocess");
  }

 private:
  const json& value_;
  std::string place_;
  const std::string& where_;
};

ShardEntry parse_shard(const Object& shard) {
  shard.expect_keys({"file", "tokens", "bytes", "xxh3_128"});
  return {shard.file_name("file"), shard.count("tokens", 1, kMaxShardTokens), shard.count("bytes", 1),
          shard.hash("xxh3_128")};
}

SplitEntry parse_split(const Object& split, const std::string& where, std::set<std::string>& files) {
  split.expect_keys({"tokens", "unknown", "shards"});
  SplitEntry entry{split.count("tokens", 1), split.count("unknown", 0), {}};
  const json& shards = split["shards"];
  if (!shards.is_array() || shards.empty()) split.refuse(split.at("shards"), "is not a list of shards");
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string place = fmt::format("{}[{}]", split.at("shards"), i);
    entry.shards.push_back(parse_shard(Object(shards[i], place, where)));
    sum += entry.shards.back().tokens;  // at most 2^36 * a list that fits in 64 MiB
    if (!files.insert(entry.shards.back().file).second)
      split.refuse(place + ".file", fmt::format("is '{}' a second time", entry.shards.back().file));
  }
  if (sum != entry.tokens)
    split.refuse(split.at("tokens"), fmt::format("is {}, but the shards have {} together", entry.tokens, sum));
  if (entry.unknown > entry.tokens)
    split.refuse(split.at("unknown"), fmt::format("is {}, more than the {} tokens", entry.unknown, entry.tokens));
  return entry;
}

json parse_json(std::string_view text, const std::string& where) {
  const auto refuse = [&](std::string what) {
    throw DataError(std::move(what), where, "copy the corpus again, or make it again with trellis-preprocess");
  };
  if (static_cast<std::int64_t>(text.size()) > kMaxManifestBytes)
    refuse(fmt::format("manifest has {} bytes, at most {} are read", text.size(), kMaxManifestBytes));
  bool deep = false;
  const auto watch_depth = [&deep](int depth, json::parse_event_t, json&) {
    if (depth > kMaxManifestDepth) deep = true;
    return !deep;  // false discards what is nested too deep
  };
  json parsed;
  try {
    parsed = json::parse(text, watch_depth);
  } catch (const json::exception& error) {
    refuse(fmt::format("manifest is not valid JSON: {}", error.what()));
  }
  if (deep) refuse(fmt::format("manifest is nested deeper than {} levels", kMaxManifestDepth));
  return parsed;
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
  const json parsed = parse_json(text, where);
  const Object root(parsed, "", where);
  // Format and version first: another format's other keys are not mistakes.
  if (!parsed.contains("format") || parsed["format"] != kCorpusFormat)
    root.refuse("format", fmt::format("is not '{}': this is no corpus of trellis-preprocess", kCorpusFormat));
  if (!parsed.contains("format_version") || parsed["format_version"] != kCorpusFormatVersion)
    root.refuse("format_version", fmt::format("is not {}, the version that this program reads", kCorpusFormatVersion));
  root.expect_keys(
      {"format", "format_version", "written_by", "unit", "end_of_line", "min_count", "vocabulary", "splits"});

  Manifest manifest;
  manifest.written_by = root.text("written_by");
  const std::optional<Unit> unit = unit_from_name(root.text("unit"));
  if (!unit) root.refuse("unit", "is not word, char or byte");
  manifest.unit = *unit;
  manifest.end_of_line = root.flag("end_of_line");
  manifest.min_count = root.count("min_count", 1);

  const Object vocabulary(root["vocabulary"], "vocabulary", where);
  vocabulary.expect_keys({"file", "words", "bytes", "xxh3_128", "hash"});
  manifest.vocabulary = {vocabulary.file_name("file"), vocabulary.count("words", 1, kMaxWords),
                         vocabulary.count("bytes", 1), vocabulary.hash("xxh3_128"), vocabulary.hash("hash")};

  const Object splits(root["splits"], "splits", where);
  std::set<std::string> files{manifest.vocabulary.file, kManifestFile};
  for (const auto& [name, split] : root["splits"].items()) {
    if (std::find(kSplitNames.begin(), kSplitNames.end(), name) == kSplitNames.end())
      splits.refuse(splits.at(name.substr(0, 64)), "is not train, valid or test");
    manifest.splits[name] = parse_split(Object(split, splits.at(name), where), where, files);
  }
  if (manifest.splits.empty()) root.refuse("splits", "is empty");
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kManifestFile;
  std::error_code ignored;  // what cannot be looked at is not there
  if (!std::filesystem::is_directory(directory, ignored))
    throw MissingInputError(std::filesystem::exists(directory, ignored)
                                ? "is not a directory, expected a corpus directory"
                                : "there is no such corpus directory",
                            directory.string(), "name the directory that trellis-preprocess wrote (--output)");
  if (!std::filesystem::exists(std::filesystem::symlink_status(path, ignored)))
    throw MissingInputError("has no manifest.json, so it is no corpus directory", directory.string(),
                            "name the directory that trellis-preprocess wrote (--output)");
  const File file = File::open_to_read(path, Links::refuse);
  if (file.size() > kMaxManifestBytes)
    throw DataError(fmt::format("manifest has {} bytes, at most {} are read", file.size(), kMaxManifestBytes),
                    path.string(), "use fewer, larger shards (--shard-tokens)");
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return parse_manifest(text, path.string());
}

void write_manifest(const std::filesystem::path& directory, const Manifest& manifest) {
  const std::string text = manifest_text(manifest);
  const File file = File::create(directory / kManifestFile);
  file.write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  file.sync();
}

}  // namespace trellis
