#include "config/settings_table.h"

namespace trellis {

std::vector<std::string> setting_keys() {
  std::vector<std::string> keys;
  const Settings defaults;
  for_each_setting(defaults, [&](const SettingInfo& info, const auto&) { keys.push_back(info.key); });
  return keys;
}

}  // namespace trellis
