#include "checkpoint/checkpoint_manifest.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <optional>
#include <set>

#include "base/errors.h"
#include "base/json_document.h"
#include "checkpoint/block_hash.h"
#include "checkpoint/damage.h"

namespace trellis::checkpoint {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kFormatName = "trellis-checkpoint";
constexpr std::size_t kHashDigits = 32;
const std::string kNoHash(kHashDigits, '0');
// The manifest's own hash stands behind this, right at the text's beginning, so that nothing in `state` can imitate it.
constexpr std::string_view kHashPrefix = "{\n \"format\": \"trellis-checkpoint\",\n \"manifest_xxh3_128\": \"";

// Lists and objects within each other: state holds what its trainer likes.
constexpr int kDeepestManifest = 16;
// Twelve a tensor of 8 dimensions; the state has hundreds.
constexpr std::int64_t kMostManifestValues = 1'500'000;

JsonSource source_at(const std::string& where) { return {"the manifest", where, "use another checkpoint"}; }

nlohmann::json parse_document(const std::string& text, const std::string& where) {
  return parse_json(text, {kLargestManifestBytes, kDeepestManifest, kMostManifestValues}, source_at(where));
}

[[noreturn]] void throw_other_version(const json& version, const std::string& where) {
  throw DataError(fmt::format("the checkpoint has format version {}, this program reads version {}",
                              version.dump().substr(0, 64), kFormatVersion),
                  where, kOtherVersion);
}

// A newer format may have another hash, so what does not fit ours is looked at once more before it is called damaged.
void refuse_newer(const std::string& text, const std::string& where) {
  json document;
  try {
    document = parse_document(text, where);
  } catch (const DataError&) {  // no document of any version
    return;
  }
  if (!document.is_object() || !document.contains("format_version") || document.value("format", json()) != kFormatName)
    return;
  const json& version = document["format_version"];
  if (version.is_number_unsigned() && version > kFormatVersion) throw_other_version(version, where);
}

void check_own_hash(const std::string& text, const std::string& where) {
  if (!text.starts_with(kHashPrefix) || text.size() < kHashPrefix.size() + kHashDigits) {
    refuse_newer(text, where);
    throw DamagedError("not the manifest of a trellis checkpoint", where, "give the folder of a checkpoint, step-...");
  }
  const std::string stored = text.substr(kHashPrefix.size(), kHashDigits);
  std::string hashed = text;
  hashed.replace(kHashPrefix.size(), kHashDigits, kNoHash);
  const std::string actual = hash_of_text(hashed);
  if (stored == actual) return;
  refuse_newer(text, where);
  throw DamagedError("the manifest is damaged: it names the hash " + shown_json(stored) + ", but its text has " + actual,
                     where, "use another checkpoint");
}

TensorInfo parse_tensor(const JsonObject& object) {
  object.expect_keys({"name", "type", "shape"});
  TensorInfo tensor;
  tensor.name = object.text("name");
  const std::string type_name = object.text("type");
  const auto type = element_type_named(type_name);
  if (!type) object.refuse(object.at("type"), fmt::format("is {}, expected float32, float64 or int64", shown_json(type_name)));
  tensor.type = *type;
  for (const json& size : object.list("shape")) {
    if (!size.is_number_integer() || (size.is_number_unsigned() && size.get<std::uint64_t>() > INT64_MAX))
      object.refuse(object.at("shape"), "holds what is no whole number below 2^63");
    tensor.shape.push_back(size.get<std::int64_t>());
  }
  if (const auto fault = fault_of(tensor)) object.refuse(object.at("shape"), "or name is wrong: " + *fault);
  return tensor;
}

}  // namespace

std::string manifest_text(const Manifest& manifest) {
  ordered_json tensors = ordered_json::array();
  for (const TensorInfo& tensor : manifest.tensors)
    tensors.push_back({{"name", tensor.name}, {"type", element_name(tensor.type)}, {"shape", tensor.shape}});
  ordered_json document = {
      {"format", kFormatName},
      {"manifest_xxh3_128", kNoHash},
      {"format_version", kFormatVersion},
      {"step", manifest.step},
      {"files", {{{"name", kStateFile}, {"bytes", manifest.state_bytes}, {"xxh3_128_of_blocks", manifest.state_hash}}}},
      {"tensors", tensors},
      {"state", manifest.state},
      {"libraries", manifest.libraries},
  };
  std::string text = document.dump(1) + "\n";
  require(text.starts_with(kHashPrefix), "a manifest begins with its format and hash");
  return text.replace(kHashPrefix.size(), kHashDigits, hash_of_text(text));
}

Manifest parse_manifest(const std::string& text, const std::string& where) {
  check_own_hash(text, where);
  const json document = parse_document(text, where);
  const JsonObject root(document, "", source_at(where));
  if (const json& version = root["format_version"]; !version.is_number_integer() || version != kFormatVersion)
    throw_other_version(version, where);
  root.expect_keys(
      {"format", "manifest_xxh3_128", "format_version", "step", "files", "tensors", "state", "libraries"});
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  Manifest manifest;
  manifest.step = root.count("step", 0, most);

  const json& files = root.list("files");
  if (files.size() != 1) root.refuse("files", fmt::format("has {} entries, expected 1", files.size()));
  const JsonObject file(files[0], "files[0]", source_at(where));
  file.expect_keys({"name", "bytes", "xxh3_128_of_blocks"});
  if (const std::string name = file.text("name"); name != kStateFile)
    file.refuse(file.at("name"), fmt::format("is {}, expected {}", shown_json(name), kStateFile));
  manifest.state_bytes = file.count("bytes", 0, most);
  manifest.state_hash = file.text("xxh3_128_of_blocks");

  const json& tensors = root.list("tensors");
  if (tensors.size() > kMostTensors)
    root.refuse("tensors", fmt::format("has {} entries, expected at most {}", tensors.size(), kMostTensors));
  std::set<std::string> names;
  std::int64_t bytes = 0;
  for (const json& tensor : tensors) {
    const JsonObject entry(tensor, fmt::format("tensors[{}]", manifest.tensors.size()), source_at(where));
    manifest.tensors.push_back(parse_tensor(entry));
    const TensorInfo& added = manifest.tensors.back();
    if (!names.insert(added.name).second) entry.refuse(entry.at("name"), "is " + added.name + " a second time");
    if (__builtin_add_overflow(bytes, added.bytes(), &bytes) || bytes > manifest.state_bytes)
      root.refuse("tensors", fmt::format("have more bytes than {} has ({})", kStateFile, manifest.state_bytes));
  }
  root.object("state");
  manifest.state = root["state"];
  const JsonObject libraries = root.object("libraries");
  for (const auto& [name, version] : document["libraries"].items())
    manifest.libraries[name] = libraries.text(name.c_str());
  return manifest;
}

std::string checkpoint_name(std::int64_t step) { return fmt::format("step-{:010d}", step); }

std::optional<std::int64_t> step_of_name(const std::string& name) {
  constexpr std::string_view prefix = "step-";
  if (!name.starts_with(prefix) || name.size() > prefix.size() + 18) return std::nullopt;
  const std::string digits = name.substr(prefix.size());
  if (digits.size() < 10 || !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  const std::int64_t step = std::stoll(digits);
  return checkpoint_name(step) == name ? std::optional(step) : std::nullopt;
}

}  // namespace trellis::checkpoint
