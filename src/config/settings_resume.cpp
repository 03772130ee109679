#include "config/settings_resume.h"

#include <fmt/format.h>

#include "config/settings_table.h"

namespace trellis {
namespace {

std::vector<SettingChange> changes_of_kind(const Settings& saved, const Settings& now, OnResume kind) {
  std::vector<std::string> saved_values;
  for_each_setting(saved, [&](const SettingInfo&, const auto& field) { saved_values.push_back(format_value(field)); });
  std::vector<SettingChange> changes;
  std::size_t index = 0;
  for_each_setting(now, [&](const SettingInfo& info, const auto& field) {
    const std::string& before = saved_values[index++];
    const std::string after = format_value(field);
    if (info.on_resume == kind && before != after) changes.push_back({info.key, before, after});
  });
  return changes;
}

}  // namespace

std::vector<SettingChange> incompatible_changes(const Settings& saved, const Settings& now) {
  return changes_of_kind(saved, now, OnResume::fixed);
}

std::vector<SettingChange> noticed_changes(const Settings& saved, const Settings& now) {
  return changes_of_kind(saved, now, OnResume::noticed);
}

std::vector<SettingChange> free_changes(const Settings& saved, const Settings& now) { return changes_of_kind(saved, now, OnResume::free); }

std::string describe(const std::vector<SettingChange>& changes) {
  std::string text;
  for (const SettingChange& change : changes) {
    text += fmt::format("{}{}: {} in the checkpoint, {} now", text.empty() ? "" : "\n", change.key, change.saved,
                        change.now);
  }
  return text;
}

}  // namespace trellis
