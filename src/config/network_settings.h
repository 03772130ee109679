// Which settings say what a network computes with given weights: those of [model], and of a classifier the order in which it reads
// steps. Weights travel without their run - as a file, as the beginning of another run - and the same tensors fit many networks,
// since kernels are tied over depth. So what travels carries these settings, and whoever takes it compares them
// (trainer/known_network.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "config/settings_resume.h"

namespace trellis {

enum class NetworkRole {
  told_by_tensors,  // the weights' names and shapes tell it: no other value fits
  told_by_zeros,    // zeros among the weights tell it: they may fit another value, which allows more of them
  told_by_nothing,  // the same weights fit other values: another network
  initial,          // of the weights that training begins with, and of nothing else
};

struct NetworkSetting {
  std::string key, value;  // "model.levels", "16": as printed
  NetworkRole role = NetworkRole::told_by_tensors;
  bool operator==(const NetworkSetting&) const = default;
};

// In the order of settings.def. A classifier has data.permute besides, and train.seed where that is true.
std::vector<NetworkSetting> network_settings(const Settings& settings);

// Nothing for a setting that is none of a network's.
std::optional<NetworkRole> network_role(std::string_view key);
// Those whose value may be another one although the weights fit.
std::vector<std::string> keys_that_weights_leave_open();

using SettingTexts = std::map<std::string, std::string>;  // by key, as printed

// Brings `text` into the form in which a value of `key`, a setting's, is printed. Returns what would have been right when it is no
// value, as parse_value does, and an empty string when it is one.
std::string normalise_setting(const std::string& key, std::string& text);

// Settings that are known of given weights against those of a network that is to take them; initial ones do not count.
struct NetworkDifferences {
  std::vector<SettingChange> changed;   // saved: of the weights
  std::vector<NetworkSetting> unknown;  // told by nothing, and not known
};
NetworkDifferences network_differences(const SettingTexts& of_weights, const Settings& now);

}  // namespace trellis
