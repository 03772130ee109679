// What the manifests of all kinds of corpora share: reading manifest.json under limits, and taking values out of its
// objects with errors that name the place ("manifest: 'splits.train.shards[2].bytes' is 0, expected 1 to ...").
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_document.h"
#include "corpus/corpus_format.h"

namespace trellis {

// Refuses (DataError) what is too long, nested too deep, of too many values or no JSON. `where` is named in errors.
nlohmann::json parse_manifest_json(std::string_view text, const std::string& where);

// One object of a manifest and its place in it. Whatever is not as asked for is a DataError. Borrows the value.
class ManifestObject : public JsonObject {
 public:
  ManifestObject(const nlohmann::json& value, std::string place, const std::string& where);

  std::string hash(const char* key) const;
  // A plain name inside the corpus directory: nothing that leads out of it, nothing hidden.
  std::string file_name(const char* key) const;
};

// A shard in a split's list; `count` is the value of "tokens" or "sequences".
struct ListedShard {
  std::string file;
  std::int64_t count = 0, bytes = 0;
  std::string xxh3_128;
};

// The list "shards" of a split, whose counts add up to split[count_key]. `files`: names that are taken, added to.
std::vector<ListedShard> parse_shards(const ManifestObject& split, const char* count_key, std::int64_t most_in_shard,
                                      std::set<std::string>& files);

// Calls act(name, split) for the splits of a manifest: at least one, with the names of kSplitNames.
template <class Act>
void for_each_split(const ManifestObject& root, Act&& act) {
  const ManifestObject splits(root["splits"], "splits", root.where());
  for (const auto& [name, split] : root["splits"].items()) {
    if (std::find(kSplitNames.begin(), kSplitNames.end(), name) == kSplitNames.end())
      splits.refuse(splits.at(name.substr(0, 64)), "is not train, valid or test");
    act(name, ManifestObject(split, splits.at(name), root.where()));
  }
  if (root["splits"].empty()) root.refuse("splits", "is empty");
}

// The text of a corpus directory's manifest.json. MissingInputError when there is none or the system does not give it,
// DataError when it is a link or too long.
std::string read_manifest_text(const std::filesystem::path& directory);
std::filesystem::path manifest_path(const std::filesystem::path& directory);
void write_manifest_text(const std::filesystem::path& directory, std::string_view text);  // WriteError

}  // namespace trellis
