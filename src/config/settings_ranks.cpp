#include "config/settings_ranks.h"

#include <algorithm>
#include <array>

#include "config/settings_table.h"

namespace trellis {
namespace {

// Machines have unequal numbers of cores and unequal memory.
constexpr std::array<std::string_view, 2> kOfOneMachine = {"train.threads", "data.prefetch"};

}  // namespace

bool may_differ_between_ranks(std::string_view key) { return std::ranges::find(kOfOneMachine, key) != kOfOneMachine.end(); }

Facts facts_of(const Settings& settings) {
  Facts facts;
  for_each_setting(settings, [&](const SettingInfo& info, const auto& field) {
    if (!may_differ_between_ranks(info.key)) facts.push_back({FactKind::setting, info.key, format_value(field)});
  });
  return facts;
}

}  // namespace trellis
