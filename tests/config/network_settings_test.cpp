// What a network is by its settings, and what of it may be allowed to differ.
#include "config/network_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/allowed_differences.h"
#include "config/settings_io.h"
#include "config/settings_table.h"
#include "tests/config/settings_helpers.h"

namespace trellis {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Words = std::vector<std::string>;

Settings with(const Words& words) { return load_settings({}, words).settings; }

SettingTexts texts_of(const Settings& settings) {
  SettingTexts texts;
  for (const NetworkSetting& setting : network_settings(settings)) texts[setting.key] = setting.value;
  return texts;
}

std::vector<std::string> keys_of(const std::vector<NetworkSetting>& settings) {
  std::vector<std::string> keys;
  for (const NetworkSetting& setting : settings) keys.push_back(setting.key);
  return keys;
}

std::vector<std::string> changed(const Words& of_weights, const Words& now) {
  std::vector<std::string> keys;
  for (const SettingChange& change : network_differences(texts_of(with(of_weights)), with(now)).changed) keys.push_back(change.key);
  return keys;
}

TEST(NetworkSettings, EverySettingOfTheModelHasARole) {
  for (const std::string& key : setting_keys()) {
    if (!key.starts_with("model.")) continue;
    EXPECT_TRUE(network_role(key)) << key << ": say in network_settings.cpp what it is to a network";
  }
  EXPECT_EQ(network_role("train.lanes"), std::nullopt);
  EXPECT_EQ(network_role("model.kernel_std"), NetworkRole::initial);
}

TEST(NetworkSettings, EveryOneButTheInitialOnesTellsNetworksApart) {
  const Settings changed_ones = everything_changed();
  const NetworkDifferences differences = network_differences(texts_of(Settings{}), changed_ones);
  std::vector<std::string> keys;
  for (const SettingChange& change : differences.changed) {
    keys.push_back(change.key);
    EXPECT_NE(change.saved, change.now);
  }
  for (const std::string& key : setting_keys()) {
    if (!key.starts_with("model.")) continue;
    if (network_role(key) == NetworkRole::initial) {
      EXPECT_THAT(keys, Not(Contains(key)));
    } else {
      EXPECT_THAT(keys, Contains(key));
    }
  }
}

TEST(NetworkSettings, OfTrainingNothingCounts) {
  EXPECT_THAT(changed({}, {"train.seed=7", "train.window=9", "dropout.hidden=0.5", "train.precision=float64", "model.kernel_std=1"}), IsEmpty());
}

TEST(NetworkSettings, OfAClassifierTheOrderOfItsStepsCounts) {
  const std::string classifier = "model.task=classifier";
  EXPECT_THAT(changed({classifier}, {classifier, "data.permute=true"}), ElementsAre("data.permute"));
  EXPECT_THAT(changed({classifier, "data.permute=true"}, {classifier, "data.permute=true", "train.seed=2"}), ElementsAre("train.seed"));
  EXPECT_THAT(changed({classifier}, {classifier, "train.seed=2"}), IsEmpty());
  EXPECT_THAT(keys_of(network_settings(Settings{})), Not(Contains("data.permute")));
}

TEST(NetworkSettings, WhatTensorsDoNotTellIsUnknownWhereNobodyTellsIt) {
  const NetworkDifferences nothing_known = network_differences({}, Settings{});
  EXPECT_THAT(nothing_known.changed, IsEmpty());
  EXPECT_THAT(keys_of(nothing_known.unknown), ElementsAre("model.levels", "model.dilations", "model.injection_every"));
  EXPECT_THAT(keys_of(network_differences({}, with({"model.cutoffs=3"})).unknown), Contains("model.cutoffs"));
  EXPECT_THAT(keys_of(network_differences({}, with({"model.task=classifier", "data.permute=true"})).unknown),
              AllOf(Contains("data.permute"), Contains("train.seed")));
  EXPECT_THAT(keys_of(network_differences({{"model.levels", "16"}}, Settings{}).unknown), ElementsAre("model.dilations", "model.injection_every"));
}

TEST(NetworkSettings, ValuesAreBroughtIntoOneForm) {
  const auto normalised = [](const std::string& key, std::string text) { return normalise_setting(key, text).empty() ? text : "none"; };
  EXPECT_EQ(normalised("model.dilations", " 1, 2 ,4"), "1,2,4");
  EXPECT_EQ(normalised("model.kernel_std", "1e-2"), "0.01");
  EXPECT_EQ(normalised("model.levels", "0"), "none");
  EXPECT_EQ(normalised("model.levels", "12 # twelve"), "none");
  EXPECT_EQ(normalised("model.task", "poem"), "none");
}

TEST(AllowedDifferences, AreKeysWithCommasBetweenThem) {
  EXPECT_FALSE(AllowedDifferences().contains("model.levels"));
  const AllowedDifferences allowed(Words{"model.levels,vocabulary", "model.groups"});
  for (const char* key : {"model.levels", "vocabulary", "model.groups"}) EXPECT_TRUE(allowed.contains(key)) << key;
  EXPECT_FALSE(allowed.contains("model.dilations"));
}

TEST(AllowedDifferences, OtherKeysAreRefusedWithTheNearest) {
  const auto refused = [](const std::string& flag) {
    const Error error = error_of([&] { AllowedDifferences{Words{flag}}; });
    EXPECT_EQ(error.code(), ExitCode::wrong_flags);
    return std::string(error.what());
  };
  EXPECT_THAT(refused("model.level"), HasSubstr("did you mean 'model.levels'?"));
  EXPECT_THAT(refused("model.levels,vocabulry"), HasSubstr("did you mean 'vocabulary'?"));
  EXPECT_THAT(refused("all"), HasSubstr("model.levels, "));
  EXPECT_THAT(refused("model.hidden"), HasSubstr("this cannot differ, the tensors would not fit"));
  EXPECT_THAT(refused(""), HasSubstr("--allow ''"));
  EXPECT_THAT(refused("model.levels,"), HasSubstr("--allow ''"));
  EXPECT_THAT(refused("model.kernel_std"), HasSubstr("may differ anyway"));
}

}  // namespace
}  // namespace trellis
