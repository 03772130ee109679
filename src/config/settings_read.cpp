// Reading settings: files and command-line words (settings_io.h).
#include <algorithm>
#include <boost/program_options.hpp>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <map>
#include <memory>
#include <sstream>
#include <unistd.h>

#include "base/errors.h"
#include "base/system_error.h"
#include "config/hints.h"
#include "config/run_limits.h"
#include "config/settings_io.h"
#include "config/settings_table.h"
#include "storage/read_text.h"

namespace trellis {
namespace {

namespace po = boost::program_options;

constexpr std::size_t kLargestFileBytes = 1 << 20;

// For messages: a value of any length on one line.
std::string shown(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  return text.size() <= kLongest ? std::string(text) : std::string(text.substr(0, kLongest)) + "...";
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

void assign(LoadedSettings& loaded, const std::string& key, const std::string& text, const std::string& origin) {
  bool known = false;
  for_each_setting(loaded.settings, [&](const SettingInfo& info, auto& field) {
    if (info.key != key) return;
    known = true;
    const std::string expected = parse_value(text, info.limits, field);
    if (!expected.empty()) {
      throw ConfigError(fmt::format("{} is '{}', expected {}", key, shown(text), expected), origin,
                        fmt::format("give {} such a value ({})", key, info.meaning));
    }
  });
  if (!known) {
    throw ConfigError(fmt::format("unknown setting '{}'{}", shown(key), key_hint(key)), origin,
                      "trellis train --help lists every setting");
  }
  loaded.origins[key] = origin;
}

// Refuses what is no text at all, before Boost sees it.
void expect_text(std::string_view text, const std::string& source_name) {
  if (text.size() > kLargestFileBytes) {
    throw ConfigError(fmt::format("is larger than {} bytes, expected a configuration file", kLargestFileBytes),
                      source_name, "name a file of [section] and option = value lines");
  }
  const auto odd = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
  });
  if (odd != text.end()) {
    throw ConfigError(fmt::format("byte 0x{:02x} at offset {}, expected a text file", static_cast<unsigned char>(*odd),
                                  odd - text.begin()),
                      source_name, "name a file of [section] and option = value lines");
  }
}

std::vector<std::string> setting_sections() {
  std::vector<std::string> sections;
  for (const std::string& key : setting_keys()) {
    const std::string section = key.substr(0, key.find('.'));
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) sections.push_back(section);
  }
  return sections;
}

void expect_section(const std::string& section, const std::vector<std::string>& sections, const std::string& where) {
  if (std::find(sections.begin(), sections.end(), section) != sections.end()) return;
  throw ConfigError(fmt::format("unknown section '[{}]'{}", shown(section), section_hint(section)), where,
                    "trellis train --help lists the sections");
}

std::string read_file(const std::filesystem::path& path) {
  const auto fail = [&](int error) {
    if (error == EISDIR) throw MissingInputError("is a directory, expected a configuration file", path.string(), "name a file in it");
    throw MissingInputError(fmt::format("cannot read the configuration file: {}", std::strerror(error)), path.string(),
                            fix_for_reading(error) + " (given with --config)");
  };
  const int descriptor = uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0) fail(errno);
  const std::unique_ptr<const int, void (*)(const int*)> closed_at_end(&descriptor, [](const int* open) { ::close(*open); });
  std::string text;
  if (const int error = read_to_end(descriptor, kLargestFileBytes, text)) fail(error);
  return text;
}

}  // namespace

void apply_ini(LoadedSettings& loaded, std::string_view text, const std::string& source_name) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // the byte-order mark of some editors
  expect_text(text, source_name);
  po::options_description described;
  for (const std::string& key : setting_keys()) described.add_options()(key.c_str(), po::value<std::string>());

  const std::vector<std::string> sections = setting_sections();
  std::string section;
  std::map<std::string, std::string> given;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    line = trimmed(line.substr(0, line.find_first_of("#;")));
    if (line.empty()) continue;
    const std::string where = fmt::format("{}:{}", source_name, number);
    if (line.starts_with('[') && line.ends_with(']')) {
      section = trimmed(line.substr(1, line.size() - 2));
      expect_section(section, sections, where);
      continue;
    }
    // Boost does not tell line numbers, so it gets the lines one by one, each below its section
    std::istringstream piece(fmt::format("{}{}\n", section.empty() ? "" : fmt::format("[{}]\n", section), line));
    try {
      for (const po::option& option : po::parse_config_file(piece, described, true).options) {
        const auto [first, is_new] = given.emplace(option.string_key, where);
        if (!is_new) {
          throw ConfigError(fmt::format("{} is given twice, first at {}", option.string_key, first->second), where,
                            "keep one of the two");
        }
        assign(loaded, option.string_key, option.value.empty() ? "" : option.value.front(), where);
      }
    } catch (const po::error&) {
      throw ConfigError(fmt::format("'{}' cannot be understood, expected [section] or option = value{}", shown(line), line_hint(line, section)),
                        where, "begin comments with #");
    }
  }
  std::set<std::string> keys;
  for (const auto& [key, where] : given) keys.insert(key);
  let_last_length_count(loaded, keys);
}

void apply_words(LoadedSettings& loaded, std::span<const std::string> words) {
  std::set<std::string> given;
  for (const std::string& word : words) {
    const auto equals = word.find('=');
    const std::string key(trimmed(std::string_view(word).substr(0, equals)));
    if (equals == std::string::npos || key.empty()) {
      throw UsageError(fmt::format("'{}' cannot be understood, expected section.option=value{}", shown(word), word_hint(word)), "command line",
                       "for instance train.lanes=16; trellis train --help lists every setting");
    }
    assign(loaded, key, word.substr(equals + 1), "command line");
    given.insert(key);
  }
  let_last_length_count(loaded, given);
}

LoadedSettings load_settings(const std::vector<std::filesystem::path>& files, std::span<const std::string> words) {
  LoadedSettings loaded;
  for (const std::filesystem::path& file : files) apply_ini(loaded, read_file(file), file.string());
  apply_words(loaded, words);
  return loaded;
}

Settings from_ini(std::string_view text, const std::string& source_name) {
  LoadedSettings loaded;
  apply_ini(loaded, text, source_name);
  return loaded.settings;
}

}  // namespace trellis
