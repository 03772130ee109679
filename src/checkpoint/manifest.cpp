#include "checkpoint/manifest.h"

#include <algorithm>
#include <fmt/core.h>
#include <set>

#include "base/errors.h"
#include "checkpoint/block_hash.h"

namespace trellis::checkpoint {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::size_t kHashDigits = 32;
const std::string kNoHash(kHashDigits, '0');
// The manifest's own hash stands behind this, right at the text's beginning, so that nothing in `state` can imitate it.
constexpr std::string_view kHashPrefix = "{\n \"format\": \"trellis-checkpoint\",\n \"manifest_xxh3_128\": \"";

// Reads members of one JSON object and says which one is wrong.
class Members {
 public:
  Members(const json& object, std::string where, std::set<std::string> expected)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) fail("is no JSON object");
    for (const auto& [name, value] : object.items())
      if (!expected.contains(name)) fail("has the unknown member \"" + name + "\"");
    for (const std::string& name : expected)
      if (!object.contains(name)) fail("lacks the member \"" + name + "\"");
  }
  std::string text(const char* name) const {
    if (!object_[name].is_string()) fail(std::string("\"") + name + "\" is no text");
    return object_[name].get<std::string>();
  }
  std::int64_t count(const char* name) const {
    const json& value = object_[name];
    if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX) ||
        value.get<std::int64_t>() < 0)
      fail(std::string("\"") + name + "\" is no integer from 0 to 2^63 - 1");
    return value.get<std::int64_t>();
  }
  const json& array(const char* name) const {
    if (!object_[name].is_array()) fail(std::string("\"") + name + "\" is no array");
    return object_[name];
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw DataError("the manifest " + what, where_, "use another checkpoint");
  }

 private:
  const json& object_;
  std::string where_;
};

void check_own_hash(std::string text, const std::string& where) {
  if (!text.starts_with(kHashPrefix) || text.size() < kHashPrefix.size() + kHashDigits)
    throw DataError("not the manifest of a trellis checkpoint", where, "give the folder of a checkpoint, step-...");
  const std::string stored = text.substr(kHashPrefix.size(), kHashDigits);
  text.replace(kHashPrefix.size(), kHashDigits, kNoHash);
  const std::string actual = hash_of_text(text);
  if (stored != actual)
    throw DataError("the manifest is damaged: it names the hash " + stored + ", but its text has " + actual, where,
                    "use another checkpoint");
}

TensorInfo parse_tensor(const json& object, const std::string& where) {
  const Members members(object, where, {"name", "type", "shape"});
  TensorInfo tensor;
  tensor.name = members.text("name");
  const auto type = element_type_named(members.text("type"));
  if (!type) members.fail("gives tensor \"" + tensor.name + "\" the unknown type \"" + members.text("type") + "\"");
  tensor.type = *type;
  for (const json& size : members.array("shape")) {
    if (!size.is_number_integer()) members.fail("gives tensor \"" + tensor.name + "\" a dimension that is no integer");
    tensor.shape.push_back(
        size.is_number_unsigned() && size.get<std::uint64_t>() > INT64_MAX ? -1 : size.get<std::int64_t>());
  }
  if (const auto fault = fault_of(tensor)) members.fail("is wrong: " + *fault);
  return tensor;
}

}  // namespace

std::string manifest_text(const Manifest& manifest) {
  ordered_json tensors = ordered_json::array();
  for (const TensorInfo& tensor : manifest.tensors)
    tensors.push_back({{"name", tensor.name}, {"type", element_name(tensor.type)}, {"shape", tensor.shape}});
  ordered_json document = {
      {"format", "trellis-checkpoint"},
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
  const json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) throw DataError("the manifest is no JSON", where, "use another checkpoint");
  if (document.contains("format_version") && document["format_version"] != kFormatVersion)
    throw DataError(fmt::format("the checkpoint has format version {}, this program reads version {}",
                                document["format_version"].dump(), kFormatVersion),
                    where, "use the version of this program that wrote it, or a newer one");
  const Members members(
      document, where,
      {"format", "manifest_xxh3_128", "format_version", "step", "files", "tensors", "state", "libraries"});
  Manifest manifest;
  manifest.step = members.count("step");

  const json& files = members.array("files");
  if (files.size() != 1) members.fail(fmt::format("lists {} files, expected 1", files.size()));
  const Members file(files[0], where, {"name", "bytes", "xxh3_128_of_blocks"});
  if (file.text("name") != kStateFile) members.fail("lists the unknown file \"" + file.text("name") + "\"");
  manifest.state_bytes = file.count("bytes");
  manifest.state_hash = file.text("xxh3_128_of_blocks");

  const json& tensors = members.array("tensors");
  if (tensors.size() > kMostTensors)
    members.fail(fmt::format("lists {} tensors, expected at most {}", tensors.size(), kMostTensors));
  std::set<std::string> names;
  std::int64_t bytes = 0;
  for (const json& tensor : tensors) {
    manifest.tensors.push_back(parse_tensor(tensor, where));
    const TensorInfo& added = manifest.tensors.back();
    if (!names.insert(added.name).second) members.fail("lists tensor \"" + added.name + "\" twice");
    if (__builtin_add_overflow(bytes, added.bytes(), &bytes) || bytes > manifest.state_bytes)
      members.fail(fmt::format("lists tensors of more bytes than {} has ({})", kStateFile, manifest.state_bytes));
  }
  if (!document["state"].is_object()) members.fail("\"state\" is no JSON object");
  manifest.state = document["state"];
  if (!document["libraries"].is_object()) members.fail("\"libraries\" is no JSON object");
  for (const auto& [name, version] : document["libraries"].items()) {
    if (!version.is_string()) members.fail("\"libraries\" holds what is no text");
    manifest.libraries[name] = version.get<std::string>();
  }
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
