#include "config/network_settings.h"

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "config/settings_table.h"

namespace trellis {
namespace {

using enum NetworkRole;

// Every setting of [model] is here (tests/config/network_settings_test.cpp), and what else an answer depends on.
constexpr std::pair<std::string_view, NetworkRole> kRoles[] = {
    {"model.task", told_by_tensors},
    {"model.levels", told_by_nothing},
    {"model.hidden", told_by_tensors},
    {"model.outputs", told_by_tensors},
    {"model.embedding", told_by_tensors},
    {"model.kernel", told_by_tensors},
    {"model.dilations", told_by_nothing},
    {"model.injection_every", told_by_nothing},
    {"model.groups", told_by_zeros},
    {"model.weight_norm", told_by_tensors},
    {"model.cutoffs", told_by_nothing},  // how many there are is told; where, if there are any, is not
    {"model.experts", told_by_tensors},
    {"model.kernel_std", initial},
    {"model.embedding_range", initial},
    {"train.seed", told_by_nothing},  // the order of steps is drawn from it
    {"data.permute", told_by_nothing},
};

bool counts(std::string_view key, const Settings& settings) {
  const bool classifier = settings.model.task == TaskKind::classifier;
  if (key == "data.permute") return classifier;
  if (key == "train.seed") return classifier && settings.data.permute;
  return true;
}

}  // namespace

std::optional<NetworkRole> network_role(std::string_view key) {
  const auto found = std::find_if(std::begin(kRoles), std::end(kRoles), [&](const auto& entry) { return entry.first == key; });
  return found == std::end(kRoles) ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> keys_that_weights_leave_open() {
  std::vector<std::string> keys;
  for (const auto& [key, role] : kRoles) {
    if (role == told_by_zeros || role == told_by_nothing) keys.emplace_back(key);
  }
  return keys;
}

std::vector<NetworkSetting> network_settings(const Settings& settings) {
  std::vector<NetworkSetting> result;
  for_each_setting(settings, [&](const SettingInfo& info, const auto& field) {
    const std::optional<NetworkRole> role = network_role(info.key);
    if (!role || !counts(info.key, settings)) return;
    const bool no_cutoffs = info.key == "model.cutoffs" && settings.model.cutoffs.empty();
    result.push_back({info.key, format_value(field), no_cutoffs ? told_by_tensors : *role});
  });
  return result;
}

std::string normalise_setting(const std::string& key, std::string& text) {
  std::optional<std::string> expected;
  Settings scratch;
  for_each_setting(scratch, [&](const SettingInfo& info, auto& field) {
    if (info.key != key) return;
    expected = parse_value(text, info.limits, field);
    if (expected->empty()) text = format_value(field);
  });
  require(expected.has_value(), "only settings have values to normalise");
  return *expected;
}

NetworkDifferences network_differences(const SettingTexts& of_weights, const Settings& now) {
  NetworkDifferences differences;
  for (const NetworkSetting& setting : network_settings(now)) {
    if (setting.role == initial) continue;
    const auto known = of_weights.find(setting.key);
    if (known == of_weights.end()) {
      if (setting.role == told_by_nothing) differences.unknown.push_back(setting);
    } else if (known->second != setting.value) {
      differences.changed.push_back({setting.key, known->second, setting.value});
    }
  }
  return differences;
}

}  // namespace trellis
