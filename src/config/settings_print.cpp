// Printing settings: configuration files and --help (settings_io.h).
#include <algorithm>
#include <cctype>
#include <fmt/format.h>

#include "config/settings_io.h"
#include "config/settings_table.h"

namespace trellis {
namespace {

// All settings as a file; `remark(key)` stands behind each value as a comment when it is not empty.
template <class Remark>
std::string printed(const Settings& settings, Remark&& remark) {
  std::string text, section;
  for_each_setting(settings, [&](const SettingInfo& info, const auto& field) {
    if (info.section != section) {
      text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", info.section);
      section = info.section;
    }
    const std::string line = fmt::format("{} = {}", info.key.substr(section.size() + 1), format_value(field));
    const std::string comment = remark(info.key);
    text += comment.empty() ? line : fmt::format("{:<32}  # {}", line, comment);
    text += '\n';
  });
  return text;
}

// `text` in lines of at most `width`, broken at blanks, each but the first indented.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string result;
  std::size_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (column > 0) {
      const bool fits = column + 1 + (end - at) <= width;
      result += fits ? " " : "\n" + std::string(indent, ' ');
      column = fits ? column + 1 : 0;
    }
    result.append(text, at, end - at);
    column += end - at;
    at = end + 1;
  }
  return result;
}

}  // namespace

std::string to_ini(const Settings& settings) {
  return printed(settings, [](const std::string&) { return std::string(); });
}

std::string print_config(const LoadedSettings& loaded) {
  return printed(loaded.settings, [&](const std::string& key) {
    const auto found = loaded.origins.find(key);
    std::string origin = found == loaded.origins.end() ? "default" : found->second;
    // a file's name may hold anything, a comment may not hold a line's end
    std::replace_if(
        origin.begin(), origin.end(), [](unsigned char c) { return std::iscntrl(c) != 0; }, '?');
    return origin;
  });
}

std::string settings_help() {
  constexpr std::size_t kColumn = 34, kWidth = 86;
  std::string text =
      "Settings, in the file given with --config or as section.option=value on the command line, which wins; so does a\n"
      "length of the run: train.epochs given there takes the place of the file's train.steps, and the other way round:\n";
  std::string section;
  const Settings defaults;
  for_each_setting(defaults, [&](const SettingInfo& info, const auto& field) {
    if (info.section != section) {
      section = info.section;
      text += fmt::format("\n[{}]  {}\n", section, info.section_title);
    }
    std::string meaning = info.meaning;
    const std::string range = info.limits.text(), words = words_of(field);
    std::string form = words.empty() ? range : words;
    if (!info.unit.empty()) form = form.empty() ? info.unit : info.unit + ", " + form;
    if (!form.empty()) meaning += " (" + form + ")";
    text += fmt::format("  {:<{}}{}\n", fmt::format("{}={}", info.key, format_value(field)), kColumn - 2,
                        wrapped(meaning, kColumn, kWidth));
  });
  return text;
}

}  // namespace trellis
