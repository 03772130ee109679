#include "config/hints.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "config/command_line.h"
#include "config/settings_table.h"
#include "config/synonyms.h"

namespace trellis {
namespace {

constexpr std::size_t kLongestValue = 40;  // that a hint repeats

std::string option_of(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string section_of(const std::string& key) { return key.substr(0, key.find('.')); }

bool is_key(const std::string& key) {
  const std::vector<std::string> keys = setting_keys();
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::vector<std::string> sections() {
  std::vector<std::string> all;
  for (const std::string& key : setting_keys()) {
    if (all.empty() || all.back() != section_of(key)) all.push_back(section_of(key));
  }
  return all;
}

// Settings whose option has this name: "lanes" is one of [train] and of [valid].
std::vector<std::string> keys_with_option(const std::string& option) {
  std::vector<std::string> found;
  for (const std::string& key : setting_keys()) {
    if (option_of(key) == option) found.push_back(key);
  }
  return found;
}

// The setting that a word names outright: a key, the option of a key (of the first that has one), or what another tool calls so.
std::optional<std::string> setting_named(std::string_view word) {
  const std::string plain = plain_word(word);
  if (is_key(plain)) return plain;
  if (plain.find('.') == std::string::npos) {
    const std::vector<std::string> same = keys_with_option(plain);
    // "every", "weight" and the like say nothing without their section
    if (same.size() == 1) return same.front();
    const auto of_run = std::find_if(same.begin(), same.end(), [](const std::string& key) { return section_of(key) == "train"; });
    if (of_run != same.end()) return *of_run;
  }
  return setting_called(plain);
}

std::string did_you_mean(const std::string& text) { return text.empty() ? "" : fmt::format(", did you mean '{}'?", text); }

bool fits_in_hint(std::string_view value) {
  return !value.empty() && value.size() <= kLongestValue && std::none_of(value.begin(), value.end(), [](unsigned char c) { return std::iscntrl(c); });
}

std::string_view without(std::string_view text, std::string_view around) {
  const auto first = text.find_first_not_of(around);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(around) - first + 1);
}

// "levels: 4", "levels 4", "\"levels\": 4," and "--levels 4" in two: what is named, and its value.
struct NamedValue {
  std::string name, value;
  bool colon = false;
};

std::optional<NamedValue> named_value(std::string_view text) {
  text = without(text, " \t\r,{}");
  if (text.starts_with("- ")) text = without(text.substr(1), " \t");  // an item of a list
  text.remove_prefix(std::min(text.find_first_not_of('-'), text.size()));
  if (text.starts_with('"') || text.starts_with('\'')) text.remove_prefix(1);
  std::size_t end = 0;
  while (end < text.size() && (std::isalnum(static_cast<unsigned char>(text[end])) || text[end] == '_' || text[end] == '-' || text[end] == '.')) ++end;
  if (end == 0) return std::nullopt;
  NamedValue found{.name = plain_word(text.substr(0, end)), .value = {}};
  std::string_view rest = text.substr(end);
  if (rest.starts_with('"') || rest.starts_with('\'')) rest.remove_prefix(1);
  rest = without(rest, " \t");
  if (rest.starts_with(':') || rest.starts_with('=')) {
    found.colon = true;
    rest.remove_prefix(1);
  }
  found.value = without(rest, " \t,\"'[]");
  std::erase(found.value, ' ');  // of a list
  return found;
}

}  // namespace

std::string nearest_key(const std::string& key) {
  const std::vector<std::string> keys = setting_keys();
  const std::vector<std::string> same_option = keys_with_option(option_of(key));
  if (same_option.size() == 1) return same_option.front();
  if (same_option.empty()) {
    if (const auto called = setting_called(key)) return *called;
  }
  const std::string nearest = nearest_name(key, same_option.empty() ? keys : same_option);
  if (!nearest.empty()) return nearest;
  std::vector<std::string> options;
  for (const std::string& known : keys) options.push_back(option_of(known));
  const std::string option = nearest_name(option_of(key), options);
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const auto& known) { return option_of(known) == option; });
  return found == keys.end() ? "" : *found;
}

std::string key_hint(const std::string& key) {
  if (keys_with_option(option_of(key)).empty()) {
    if (const auto advice = advice_about(key)) return fmt::format(": {}", *advice);
  }
  return did_you_mean(nearest_key(key));
}

std::string section_hint(const std::string& section) {
  const std::vector<std::string> known = sections();
  if (const auto called = section_called(section)) return did_you_mean(*called);
  return suggestion(section, known);
}

std::string flag_hint(std::string_view flag, const std::optional<std::string>& value, std::span<const std::string> flags, bool settings) {
  std::string_view name = flag;
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  if (const auto called = flag_called(name, flags)) return fmt::format(", did you mean '--{}'?", *called);
  // a slip of one letter is one; words that are no slip of a flag are looked for among the settings first
  const std::string nearest = nearest_name(name, flags);
  std::string by_slip = nearest.empty() ? "" : fmt::format(", did you mean '--{}'?", nearest);
  if (!settings) return by_slip;
  if (const auto key = setting_named(name)) {
    return fmt::format(", did you mean the setting {}={}, without dashes?", *key, value && fits_in_hint(*value) ? *value : "VALUE");
  }
  if (const auto advice = advice_about(name)) return fmt::format(": {}", *advice);
  if (by_slip.empty()) {  // a slip in a setting's name, with dashes before it
    const std::string key = nearest_key(plain_word(name));
    if (!key.empty()) return fmt::format(", did you mean the setting {}={}, without dashes?", key, value && fits_in_hint(*value) ? *value : "VALUE");
  }
  return by_slip;
}

std::string word_hint(std::string_view word) {
  const auto said = named_value(word);
  if (!said) return "";
  const auto key = setting_named(said->name);
  if (!key) return "";
  return did_you_mean(fmt::format("{}={}", *key, fits_in_hint(said->value) ? said->value : "VALUE"));
}

std::string line_hint(std::string_view line, const std::string& section) {
  const std::vector<std::string> known = sections();
  const auto section_meant = [&](const std::string& name) -> std::string {
    if (std::find(known.begin(), known.end(), name) != known.end()) return name;
    return section_called(name).value_or("");
  };
  const auto said = named_value(without(line, "[] \t"));
  if (!said) return "";
  if (line.starts_with('[') || (said->colon && said->value.empty())) {
    const std::string meant = section_meant(said->name);
    return meant.empty() ? "" : did_you_mean(fmt::format("[{}]", meant));
  }
  if (!fits_in_hint(said->value)) return "";
  const std::string here = section.empty() ? said->name : section + "." + said->name;
  if (is_key(here)) return did_you_mean(fmt::format("{} = {}", said->name, said->value));
  const auto key = setting_named(said->name);
  if (!key) return "";
  const std::string option = fmt::format("{} = {}", option_of(*key), said->value);
  return section_of(*key) == section ? did_you_mean(option) : fmt::format(", did you mean '{}' below [{}]?", option, section_of(*key));
}

}  // namespace trellis
