#include "config/run_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/config/settings_helpers.h"

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

LoadedSettings loaded(const std::string& file, const Words& words) { return load_settings({write_file("limits.ini", file)}, words); }

TEST(RunLimits, PassesOnTheCommandLineTakeThePlaceOfTheFilesSteps) {
  const LoadedSettings found = loaded("[train]\nsteps = 450\n", {"train.epochs=3"});
  EXPECT_EQ(found.settings.train.steps, 0);
  EXPECT_EQ(found.settings.train.epochs, 3);
  ASSERT_EQ(found.notices.size(), 1u);
  EXPECT_THAT(found.notices[0], HasSubstr("limits.ini:2) gives way to train.epochs=3 (command line)"));
  EXPECT_THAT(found.notices[0], testing::StartsWith("train.steps=450 ("));
  EXPECT_THAT(print_config(found), HasSubstr("# train.epochs counts instead (command line)"));
}

TEST(RunLimits, StepsOnTheCommandLineTakeThePlaceOfTheFilesPasses) {
  const LoadedSettings found = loaded("[train]\nepochs = 25\n", {"train.steps=100"});
  EXPECT_EQ(found.settings.train.steps, 100);
  EXPECT_EQ(found.settings.train.epochs, 0);
}

TEST(RunLimits, ALaterFileWinsAsTheCommandLineDoes) {
  const auto base = write_file("base.ini", "[train]\nsteps = 450\n"), over = write_file("over.ini", "[train]\nepochs = 2\n");
  EXPECT_EQ(load_settings({base, over}, Words{}).settings.train.steps, 0);
  EXPECT_EQ(load_settings({over, base}, Words{}).settings.train.epochs, 0);
}

TEST(RunLimits, OneSourceThatSaysBothMeansBoth) {
  const LoadedSettings file = loaded("[train]\nsteps = 450\nepochs = 3\n", {});
  EXPECT_EQ(file.settings.train.steps, 450);
  EXPECT_EQ(file.settings.train.epochs, 3);
  EXPECT_THAT(file.notices, IsEmpty());
  const LoadedSettings words = loaded("[train]\nsteps = 450\n", {"train.epochs=3", "train.steps=900"});
  EXPECT_EQ(words.settings.train.steps, 900);
  EXPECT_EQ(words.settings.train.epochs, 3);
}

TEST(RunLimits, NoLimitTakesNothingsPlace) {
  EXPECT_EQ(loaded("[train]\nsteps = 450\n", {"train.epochs=0"}).settings.train.steps, 450);
  EXPECT_EQ(loaded("[train]\nsteps = 450\n", {"train.patience=3", "train.seconds=60"}).settings.train.steps, 450);
  EXPECT_THAT(loaded("[train]\nsteps = 0\n", {"train.epochs=3"}).notices, IsEmpty());
}

TEST(RunLimits, SavedSettingsAreAnEarlierSource) {
  Settings saved;
  saved.train.epochs = 3;
  LoadedSettings resumed{saved, {}};
  apply_words(resumed, Words{"train.steps=5000"});
  EXPECT_EQ(resumed.settings.train.epochs, 0);
  EXPECT_THAT(resumed.notices, ElementsAre("train.epochs=3 gives way to train.steps=5000 (command line)"));
}

TEST(RunLimits, WhatIsPrintedIsReadBackAsItWas) {
  Settings settings;
  settings.train.steps = 450;
  settings.train.epochs = 3;
  EXPECT_EQ(from_ini(to_ini(settings), "printed").train.steps, 450);
  EXPECT_EQ(from_ini(to_ini(settings), "printed").train.epochs, 3);
}

}  // namespace
}  // namespace trellis
