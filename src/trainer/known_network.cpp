#include "trainer/known_network.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"
#include "base/version.h"

namespace trellis {
namespace {

using checkpoint::shown;
using nlohmann::json;

constexpr const char* kVersionKey = "metadata_version";
constexpr const char* kMetadataVersion = "1";
constexpr const char* kKind = "corpus.kind";
constexpr const char* kTrainSplit = "corpus.splits.train";

std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::vector<std::string> items;
  for (const json& item : value) items.push_back(text_of(item));
  return fmt::format("{}", fmt::join(items, ","));
}

void add_texts(SettingTexts& texts, const std::string& prefix, const json& object) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_object()) {
      add_texts(texts, prefix + key + ".", value);
    } else {
      texts[prefix + key] = text_of(value);
    }
  }
}

bool of_data(const std::string& key) { return key.starts_with("corpus.") || key.starts_with("vocabulary."); }

const std::string* find(const SettingTexts& texts, const std::string& key) {
  const auto found = texts.find(key);
  return found == texts.end() ? nullptr : &found->second;
}

// What a network takes for granted of its data, and the key of --allow under which it may differ; none: no weights would fit.
struct Granted {
  const char* key;
  const char* allowed;
};
constexpr Granted kGranted[] = {
    {kKind, nullptr},
    {"vocabulary.words", nullptr},
    {"vocabulary.hash", AllowedDifferences::kVocabulary},
    {"corpus.steps", AllowedDifferences::kSequences},
    {"corpus.channels", nullptr},
    {"corpus.classes", nullptr},
    {"corpus.mean", AllowedDifferences::kSequences},
    {"corpus.deviation", AllowedDifferences::kSequences},
};

// What was found, in words.
struct Findings {
  std::vector<std::string> refused_settings, refused_data, allowed;
  std::vector<std::string> needed;  // keys of --allow
  bool could_be_allowed = true;     // all that is refused
  std::vector<std::string> all_refused() const {
    std::vector<std::string> all = refused_settings;
    all.insert(all.end(), refused_data.begin(), refused_data.end());
    return all;
  }
};

void compare_settings(const std::vector<SettingChange>& changed, const AllowedDifferences& allowed, Findings& findings) {
  for (const SettingChange& change : changed) {
    const std::string text = fmt::format("{}: '{}' of the weights, '{}' here", change.key, change.saved, change.now);
    if (allowed.contains(change.key)) {
      findings.allowed.push_back(text);
    } else {
      findings.refused_settings.push_back(text);
      findings.needed.push_back(change.key);
      if (network_role(change.key) == NetworkRole::told_by_tensors) findings.could_be_allowed = false;
    }
  }
}

void compare_data(const SettingTexts& of_weights, const SettingTexts& here, const AllowedDifferences& allowed, Findings& findings) {
  for (const Granted& granted : kGranted) {
    const std::string *const before = find(of_weights, granted.key), *const now = find(here, granted.key);
    if (before == nullptr || now == nullptr || *before == *now) continue;
    const std::string text = fmt::format("{}: {} of the weights, {} here", granted.key, shown(*before), shown(*now));
    if (granted.allowed != nullptr && allowed.contains(granted.allowed)) {
      findings.allowed.push_back(text);
      continue;
    }
    findings.refused_data.push_back(text);
    if (granted.allowed == nullptr) {
      findings.could_be_allowed = false;
    } else if (std::find(findings.needed.begin(), findings.needed.end(), granted.allowed) == findings.needed.end()) {
      findings.needed.emplace_back(granted.allowed);
    }
  }
}

// Empty if the weights say all that counts.
std::string unknown_text(const KnownNetwork& weights, const TakingNetwork& taking, const std::vector<NetworkSetting>& unknown) {
  std::vector<std::string> settings, taken;
  for (const NetworkSetting& setting : unknown) settings.push_back(fmt::format("{}={}", setting.key, setting.value));
  if (!settings.empty()) taken.push_back(fmt::format("{} as the settings have it", fmt::join(settings, ", ")));
  const SettingTexts here = data_texts(taking.data);
  const std::string* const kind = find(here, kKind);
  const bool is_text = kind != nullptr && *kind == "text";
  if (is_text && !taking.rows_known && find(weights.data, "vocabulary.hash") == nullptr) {
    taken.emplace_back("the order of its words as the corpus's vocabulary has it");
  }
  if (kind != nullptr && !is_text && find(weights.data, "corpus.mean") == nullptr) taken.emplace_back("the numbers that bytes stand for as the corpus has them");
  if (taken.empty()) return "";
  return fmt::format("{} does not say all that its network is, and its weights would fit another one: taken are {}", weights.source,
                     fmt::join(taken, ", and "));
}

}  // namespace

SettingTexts data_texts(const json& identity) {
  SettingTexts texts;
  if (!identity.is_object()) return texts;
  add_texts(texts, "corpus.", identity);
  for (const char* const of_words : {"words", "hash"}) {
    if (auto node = texts.extract(std::string("corpus.") + of_words)) {
      node.key() = std::string("vocabulary.") + of_words;
      texts.insert(std::move(node));
    }
  }
  return texts;
}

SafetensorsMetadata network_metadata(const CheckpointState& state) {
  SafetensorsMetadata metadata = data_texts(state.data);
  for (const NetworkSetting& setting : network_settings(state.settings)) metadata[setting.key] = setting.value;
  metadata.insert({{"format", "pt"},  // of the tensors' layout; whatever reads such files wants to see it
                   {"program", fmt::format("trellis {}", kVersion)},
                   {"step", std::to_string(state.run.step)},
                   {kVersionKey, kMetadataVersion}});
  return metadata;
}

KnownNetwork known_network(const SafetensorsFile& file) {
  KnownNetwork known{.source = file.path().string(), .settings = {}, .data = {}};
  const SafetensorsMetadata& metadata = file.metadata();
  const auto version = metadata.find(kVersionKey);
  if (version == metadata.end()) return known;
  const auto refuse = [&](const std::string& what) {
    throw DataError(what, known.source + ": __metadata__", "read it with the program version that wrote it, or export the weights again");
  };
  if (version->second != kMetadataVersion) {
    refuse(fmt::format("{} is {}, this program reads {}", kVersionKey, shown(version->second), kMetadataVersion));
  }
  for (const auto& [key, value] : metadata) {
    if (of_data(key)) known.data[key] = value;
    const bool one_of_ours = network_role(key).has_value();
    if (!one_of_ours && key.starts_with("model.")) refuse(fmt::format("the setting {} is unknown", shown(key)));
    if (!one_of_ours) continue;
    std::string text = value;
    if (const std::string expected = normalise_setting(key, text); !expected.empty()) {
      refuse(fmt::format("{} is {}, expected {}", key, shown(value), expected));
    }
    known.settings[key] = text;
  }
  return known;
}

KnownNetwork known_network(const CheckpointReader& reader, const CheckpointState& state) {
  KnownNetwork known{.source = reader.path().string(), .settings = {}, .data = data_texts(state.data)};
  for (const NetworkSetting& setting : network_settings(state.settings)) known.settings[setting.key] = setting.value;
  return known;
}

std::vector<std::string> expect_same_network(const KnownNetwork& weights, const TakingNetwork& taking, const AllowedDifferences& allowed) {
  const NetworkDifferences differences = network_differences(weights.settings, taking.settings);
  const SettingTexts here = data_texts(taking.data);
  Findings findings;
  compare_settings(differences.changed, allowed, findings);
  compare_data(weights.data, here, allowed, findings);
  if (const std::vector<std::string> refused = findings.all_refused(); !refused.empty()) {
    const std::string what = fmt::format("the weights are of another network\n    {}", fmt::join(refused, "\n    "));
    const std::string fix = fmt::format("give the settings and the corpus that they were trained with{}",
                                        findings.could_be_allowed ? fmt::format(", or say what may differ: --allow {}", fmt::join(findings.needed, ",")) : "");
    if (!findings.refused_settings.empty()) throw ConfigError(what, weights.source, fix);
    throw DataError(what, weights.source, fix);
  }
  std::vector<std::string> told;
  for (const std::string& text : findings.allowed) told.push_back(fmt::format("{}: {}: allowed by --allow", weights.source, text));
  if (const std::string unknown = unknown_text(weights, taking, differences.unknown); !unknown.empty()) told.push_back(unknown);
  const std::string *const trained_on = find(weights.data, kTrainSplit), *const train_here = find(here, kTrainSplit);
  if (trained_on != nullptr && train_here != nullptr && *trained_on != *train_here) {
    told.push_back(fmt::format("{}: the weights were trained on another training split (hash {}) than this corpus has ({})", weights.source,
                               shown(*trained_on), shown(*train_here)));
  }
  return told;
}

}  // namespace trellis
