#include "corpus/manifest_json.h"

#include <fmt/core.h>
#include <span>
#include <system_error>

#include "base/errors.h"
#include "corpus/content_hash.h"
#include "corpus/file.h"
#include "corpus/recorded_file.h"

namespace trellis {

using nlohmann::json;

json parse_manifest_json(std::string_view text, const std::string& where) {
  const auto refuse = [&](std::string what) { throw DataError(std::move(what), where, kMakeCorpusAgain); };
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

ManifestObject::ManifestObject(const json& value, std::string place, const std::string& where)
    : value_(value), place_(std::move(place)), where_(where) {
  if (!value.is_object()) refuse(place_, fmt::format("is {}, expected an object", value.type_name()));
}

void ManifestObject::expect_keys(std::initializer_list<const char*> keys) const {
  for (const char* key : keys)
    if (!value_.contains(key)) refuse(at(key), "is missing");
  for (const auto& [key, _] : value_.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      refuse(at(key.substr(0, 64)), "is not a key of this format");
}

std::string ManifestObject::text(const char* key) const {
  const json& value = value_.at(key);
  if (!value.is_string()) refuse(at(key), fmt::format("is {}, expected a string", value.type_name()));
  return value.get<std::string>();
}

bool ManifestObject::flag(const char* key) const {
  const json& value = value_.at(key);
  if (!value.is_boolean()) refuse(at(key), fmt::format("is {}, expected true or false", value.type_name()));
  return value.get<bool>();
}

std::int64_t ManifestObject::count(const char* key, std::int64_t least, std::int64_t most) const {
  const json& value = value_.at(key);
  if (!value.is_number_integer())
    refuse(at(key), fmt::format("is {}, expected a whole number", value.dump().substr(0, 64)));
  const bool fits = !value.is_number_unsigned() || value.get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
  if (!fits || value.get<std::int64_t>() < least || value.get<std::int64_t>() > most)
    refuse(at(key), fmt::format("is {}, expected {} to {}", value.dump(), least, most));
  return value.get<std::int64_t>();
}

std::vector<double> ManifestObject::numbers(const char* key) const {
  const json& value = value_.at(key);
  if (!value.is_array()) refuse(at(key), fmt::format("is {}, expected a list of numbers", value.type_name()));
  std::vector<double> numbers;
  for (const json& number : value) {
    if (!number.is_number())
      refuse(fmt::format("{}[{}]", at(key), numbers.size()),
             fmt::format("is {}, expected a number", number.type_name()));
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

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
                                json(name.substr(0, 64)).dump(-1, ' ', true, json::error_handler_t::replace)));
  return name;
}

void ManifestObject::refuse(const std::string& place, std::string what) const {
  throw DataError(fmt::format("manifest: {} {}", place.empty() ? "the whole" : "'" + place + "'", what), where_,
                  kMakeCorpusAgain);
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
                    path.string(), "use fewer, larger shards (--shard-tokens, --shard-sequences)");
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

void write_manifest_text(const std::filesystem::path& directory, std::string_view text) {
  const File file = File::create(manifest_path(directory));
  file.write_at(0, std::as_bytes(std::span(text.data(), text.size())));
  file.sync();
}

}  // namespace trellis
