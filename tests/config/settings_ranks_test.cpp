// Every setting, made to differ on one of three ranks. The table of settings says which there are, so a new one is tried, too.
#include "config/settings_ranks.h"

#include <gmock/gmock.h>

#include <array>

#include "config/settings_table.h"
#include "tests/config/settings_helpers.h"

namespace trellis {
namespace {

using testing::ElementsAre;

// Default settings but for the one of this key.
Settings with_changed(const std::string& key) {
  Settings settings;
  const Settings changed = everything_changed();
  for_each_setting(settings, [&](const SettingInfo& info, auto& field) {
    if (info.key != key) return;
    for_each_setting(changed, [&](const SettingInfo& other, const auto& value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::decay_t<decltype(value)>>) {
        if (other.key == key) field = value;
      }
    });
  });
  return settings;
}

std::string value_of(const Settings& settings, const std::string& key) {
  std::string text;
  for_each_setting(settings, [&](const SettingInfo& info, const auto& field) {
    if (info.key == key) text = format_value(field);
  });
  return text;
}

TEST(SettingsOfRanks, ThatAreAlikeDifferInNothing) {
  const Facts facts = facts_of(everything_changed());
  EXPECT_EQ(first_difference(std::array{facts, facts, facts}), std::nullopt);
}

TEST(SettingsOfRanks, DifferInEverySettingButThoseOfAMachine) {
  int fixed_or_noticed = 0, tried = 0;
  std::vector<std::string> free_to_differ;
  const Settings defaults;
  for_each_setting(defaults, [&](const SettingInfo& info, const auto&) {
    const Settings changed = with_changed(info.key);
    ASSERT_NE(changed, Settings()) << info.key;
    const std::string usual = value_of(Settings(), info.key), other = value_of(changed, info.key);
    for (std::size_t odd = 0; odd < 3; ++odd) {
      std::array<Facts, 3> ranks{facts_of(Settings()), facts_of(Settings()), facts_of(Settings())};
      ranks[odd] = facts_of(changed);
      const auto difference = first_difference(ranks);
      if (!difference) {
        if (odd == 0) free_to_differ.push_back(info.key);
        continue;
      }
      ++tried;
      EXPECT_EQ(difference->name, info.key);
      const auto& shares = difference->shares;
      ASSERT_EQ(shares.size(), 2u);
      EXPECT_EQ(shares[odd == 0 ? 0 : 1], (FactDifference::Share{other, {static_cast<int>(odd)}}));
      EXPECT_EQ(*shares[odd == 0 ? 1 : 0].value, usual);
      EXPECT_EQ(error_of(*difference).code(), ExitCode::wrong_setting);
    }
    if (info.on_resume != OnResume::free) ++fixed_or_noticed;
  });
  EXPECT_THAT(free_to_differ, ElementsAre("train.threads", "data.prefetch"));  // neither makes a run another or lets ranks wait
  EXPECT_GE(fixed_or_noticed, 40);
  EXPECT_EQ(tried, 3 * (static_cast<int>(setting_keys().size()) - 2));
}

}  // namespace
}  // namespace trellis
