// Where settings come from and how they are printed. A file in INI form, read through Boost.Program_options:
//
//   # a comment; so is what follows a ; or a #
//   [train]
//   lanes = 16
//   [model]
//   dilations = 1,2,4
//
// any number of them, later ones winning over earlier ones (a base and overrides), and "section.option=value" words on the
// command line, which win over files; a run's length in steps wins over one in passes, too, and the other way round
// (run_limits.h). What is printed can be fed back and
// gives the same Settings to the last bit. Unknown keys and sections, malformed values and keys given twice in a file
// are ConfigError (exit 78) naming file and line or "command line", what would be right, and the nearest known key.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace trellis {

// Where each setting that is not at its default was given: "train.lanes" -> "configs/small.ini:12" or "command line".
using SettingOrigins = std::map<std::string, std::string>;

struct LoadedSettings {
  Settings settings;
  SettingOrigins origins;
  std::vector<std::string> notices = {};  // for people, at the start: "train.steps=450 (small.ini:43) gives way to ..."
};

// Defaults, then the files in order, then the command line's words (the last of equal keys wins). The values are
// within their own limits; validate() (settings_validate.h) checks them against each other.
// Throws MissingInputError (66) for a file that cannot be read, UsageError (2) for a word that is no
// "section.option=value".
LoadedSettings load_settings(const std::vector<std::filesystem::path>& files, std::span<const std::string> words);

// The two steps of load_settings, for settings that start elsewhere than at the defaults.
void apply_ini(LoadedSettings& loaded, std::string_view text, const std::string& source_name);
void apply_words(LoadedSettings& loaded, std::span<const std::string> words);

// Every setting as a configuration file; what from_ini reads and checkpoints store.
std::string to_ini(const Settings& settings);
Settings from_ini(std::string_view text, const std::string& source_name);

// The same with a comment behind each value that says where it came from: what --print-config prints.
std::string print_config(const LoadedSettings& loaded);

// Every setting with default, meaning, unit and limits, grouped by section: what --help prints.
std::string settings_help();

}  // namespace trellis
