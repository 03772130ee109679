#include "config/settings.h"

#include <ctime>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "base/errors.h"
#include "config/settings_io.h"
#include "config/settings_table.h"
#include "tests/config/settings_helpers.h"

namespace trellis {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(LoadSettings, OfSeveralFilesTheLaterWin) {
  const auto base = write_file("base.ini", "[train]\nlanes=4\nwindow=9\n"), override = write_file("override.ini", "[train]\nwindow=5\n");
  const LoadedSettings loaded = load_settings({base, override}, Words{});
  EXPECT_EQ(loaded.settings.train.lanes, 4);
  EXPECT_EQ(loaded.settings.train.window, 5);
  EXPECT_EQ(loaded.origins.at("train.lanes"), base.string() + ":2");
  EXPECT_EQ(loaded.origins.at("train.window"), override.string() + ":2");
  EXPECT_EQ(load_settings({override, base}, Words{}).settings.train.window, 9);
}

TEST(Settings, DefaultsLieWithinTheirOwnLimits) {
  Settings settings;
  for_each_setting(settings, [](const SettingInfo& info, auto& field) {
    EXPECT_EQ(parse_value(format_value(field), info.limits, field), "") << info.key;
    EXPECT_FALSE(info.meaning.empty()) << info.key;
  });
  EXPECT_EQ(settings, Settings{});
}

TEST(Settings, PrintedAndReadBackAreTheSameToTheLastBit) {
  for (const Settings& settings : {Settings{}, everything_changed()}) {
    EXPECT_EQ(from_ini(to_ini(settings), "printed"), settings);
  }
}

TEST(Settings, DoublesThatNeedSeventeenDigitsSurviveTheRoundTrip) {
  for (double value : {0.1 + 0.2, 1.0 / 3, 5e-324, 2.2250738585072014e-308, 1e-8, 12345678.901234567}) {
    Settings settings;
    settings.optimizer.learning_rate = value;
    EXPECT_EQ(from_ini(to_ini(settings), "printed").optimizer.learning_rate, value);
  }
}

TEST(Settings, LevelsComputedAgainAreAWordWithANumber) {
  const auto recompute = [](const std::string& text) { return load_settings({}, Words{"memory.recompute=" + text}).settings.memory.recompute; };
  EXPECT_EQ(recompute("none"), Recompute{});
  EXPECT_EQ(recompute("gates"), (Recompute{.kind = Recompute::Kind::gates}));
  EXPECT_EQ(recompute("levels(8)"), (Recompute{.kind = Recompute::Kind::levels, .levels = 8}));
  EXPECT_EQ(recompute(" levels( 8 ) "), recompute("levels(8)"));
  EXPECT_EQ(from_ini("[memory]\nrecompute = levels(8)  # a comment\n", "text").memory.recompute, recompute("levels(8)"));
  for (const char* const text : {"none", "gates", "levels(1)", "levels(100000)"}) EXPECT_EQ(format_value(recompute(text)), text);
}

TEST(Settings, TheLargestSeedSurvivesTheRoundTrip) {
  const LoadedSettings loaded = load_settings({}, Words{"train.seed=18446744073709551615"});
  EXPECT_EQ(loaded.settings.train.seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(from_ini(to_ini(loaded.settings), "printed"), loaded.settings);
}

TEST(Settings, CommandLineWinsOverTheFileAndTheFileOverTheDefaults) {
  const auto file = write_file("wins.ini", "[train]\nlanes = 4\nwindow=8\n");
  const LoadedSettings loaded = load_settings({file}, Words{"train.window=9", "train.window=10"});
  EXPECT_EQ(loaded.settings.train.lanes, 4);
  EXPECT_EQ(loaded.settings.train.window, 10);
  EXPECT_EQ(loaded.settings.train.seed, 1u);
}

TEST(Settings, PrintConfigTellsWhereEachValueComesFromAndCanBeFedBack) {
  const auto file = write_file("origins.ini", "\n[train]\nlanes = 4\n[model]\ndilations= 1, 2 ,4\n");
  const LoadedSettings loaded = load_settings({file}, Words{"optimizer.name=sgd"});
  const std::string printed = print_config(loaded);
  EXPECT_THAT(printed, testing::ContainsRegex("\nlanes = 4 +# .*origins.ini:3\n"));
  EXPECT_THAT(printed, testing::ContainsRegex("\ndilations = 1,2,4 +# .*origins.ini:5\n"));
  EXPECT_THAT(printed, testing::ContainsRegex("\nname = sgd +# command line\n"));
  EXPECT_THAT(printed, testing::ContainsRegex("\nseed = 1 +# default\n"));
  EXPECT_THAT(printed, testing::ContainsRegex("\ncutoffs =  +# default\n"));
  EXPECT_EQ(from_ini(printed, "fed back"), loaded.settings);
}

TEST(Settings, AnOriginWithALineBreakInItsNameCannotBreakThePrintedFile) {
  LoadedSettings loaded;
  apply_ini(loaded, "[train]\nlanes=4\n", "odd\n[model]\nlevels=1");
  EXPECT_EQ(from_ini(print_config(loaded), "fed back"), loaded.settings);
}

TEST(Settings, CommentsBlanksEmptySectionsAndWindowsLineEndsAreUnderstood) {
  const Settings read = from_ini(
      "\xEF\xBB\xBF# first\r\n; second\r\n\r\n[dropout]\r\n\t[ model ]\r\n  levels\t=  3  ; third\r\n"
      "cutoffs=10,20 # fourth\r\n[train]\r\nwindow=5",
      "text");
  EXPECT_EQ(read.model.levels, 3);
  EXPECT_EQ(read.model.cutoffs, (std::vector<std::int64_t>{10, 20}));
  EXPECT_EQ(read.train.window, 5);
}

TEST(Settings, AFileMayNameKeysInFull) { EXPECT_EQ(from_ini("model.levels = 3\n", "text").model.levels, 3); }

TEST(Settings, AnEmptyFileIsTheDefaults) {
  EXPECT_EQ(load_settings({write_file("empty.ini", "")}, Words{}).settings, Settings{});
}

TEST(Settings, LinesThatSayNothingCostNothing) {
  std::string text = std::string(500'000, '\n') + "[train]\n";
  for (int i = 0; i < 25'000; ++i) text += "# a comment\n[train]\n";
  text += "lanes = 3\n";
  const std::clock_t begun = std::clock();
  LoadedSettings loaded;
  apply_ini(loaded, text, "long.ini");
  EXPECT_LT(static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC, 0.5);  // of this process
  EXPECT_EQ(loaded.settings.train.lanes, 3);
  EXPECT_EQ(loaded.origins.at("train.lanes"), "long.ini:550002");
}

TEST(Settings, HelpListsEverySettingWithItsDefault) {
  const std::string help = settings_help();
  const Settings defaults;
  for_each_setting(defaults, [&](const SettingInfo& info, const auto& field) {
    EXPECT_THAT(help, HasSubstr("\n  " + info.key + "=" + format_value(field) + " ")) << info.key;
  });
  EXPECT_THAT(help, HasSubstr("float32, float64, bf16 or tf32"));
  EXPECT_THAT(help, HasSubstr("from 0 to below 1"));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 120u) << line;
}

struct BadWord {
  const char* word;
  ExitCode code;
  const char* message;
};

TEST(Settings, EveryBadValueIsRefusedWithWhatWouldHaveBeenRight) {
  const BadWord table[] = {
      {"train.lanes=many", ExitCode::wrong_setting,
       "train.lanes is 'many', expected a whole number, from 1 to 1000000"},
      {"train.lanes=", ExitCode::wrong_setting, "train.lanes is '', expected a whole number"},
      {"train.lanes=0", ExitCode::wrong_setting, "train.lanes is '0', expected a whole number, from 1 to 1000000"},
      {"train.lanes=-3", ExitCode::wrong_setting, "train.lanes is '-3'"},
      {"train.lanes=4.5", ExitCode::wrong_setting, "train.lanes is '4.5'"},
      {"train.lanes=4 5", ExitCode::wrong_setting, "train.lanes is '4 5'"},
      {"train.lanes=0x10", ExitCode::wrong_setting, "train.lanes is '0x10'"},
      {"train.lanes=99999999999", ExitCode::wrong_setting, "expected a whole number, from 1 to 1000000"},
      {"train.steps=99999999999999999999", ExitCode::wrong_setting, "expected a whole number, at least 0"},
      {"train.seed=-1", ExitCode::wrong_setting, "expected a whole number, from 0 to 18446744073709551615"},
      {"train.seed=18446744073709551616", ExitCode::wrong_setting, "from 0 to 18446744073709551615"},
      {"optimizer.learning_rate=0", ExitCode::wrong_setting, "expected a number, above 0"},
      {"optimizer.learning_rate=nan", ExitCode::wrong_setting, "is 'nan', expected a number, above 0"},
      {"optimizer.learning_rate=inf", ExitCode::wrong_setting, "is 'inf', expected a number, above 0"},
      {"optimizer.learning_rate=1e999", ExitCode::wrong_setting, "is '1e999', expected a number, above 0"},
      {"dropout.hidden=1", ExitCode::wrong_setting, "dropout.hidden is '1', expected a number, from 0 to below 1"},
      {"schedule.factor=1.5", ExitCode::wrong_setting, "expected a number, above 0 to 1"},
      {"train.precision=float16", ExitCode::wrong_setting, "is 'float16', expected float32, float64, bf16 or tf32"},
      {"train.device=gpu", ExitCode::wrong_setting, "is 'gpu', expected auto, cpu or cuda"},
      {"memory.recompute=all", ExitCode::wrong_setting,
       "is 'all', expected none, gates, or levels(n) with n a whole number, from 1 to 100000"},
      {"memory.recompute=levels", ExitCode::wrong_setting, "is 'levels', expected none, gates, or levels(n)"},
      {"memory.recompute=levels()", ExitCode::wrong_setting, "is 'levels()', expected none, gates, or levels(n)"},
      {"memory.recompute=levels(", ExitCode::wrong_setting, "is 'levels(', expected none, gates, or levels(n)"},
      {"memory.recompute=levels(0)", ExitCode::wrong_setting, "is 'levels(0)', expected none, gates, or levels(n)"},
      {"memory.recompute=levels(-1)", ExitCode::wrong_setting, "is 'levels(-1)', expected none, gates, or levels(n)"},
      {"memory.recompute=levels(x)", ExitCode::wrong_setting, "is 'levels(x)', expected none, gates, or levels(n)"},
      {"memory.recompute=levels(8))", ExitCode::wrong_setting, "is 'levels(8))', expected none, gates, or levels(n)"},
      {"memory.recompute=levels(8)x", ExitCode::wrong_setting, "is 'levels(8)x', expected none, gates, or levels(n)"},
      {"model.weight_norm=yes", ExitCode::wrong_setting, "is 'yes', expected true or false"},
      {"model.dilations=1,,2", ExitCode::wrong_setting, "expected whole numbers with commas between, each from 1"},
      {"model.dilations=1,2,", ExitCode::wrong_setting, "is '1,2,', expected whole numbers with commas between"},
      {"model.dilations=1,0", ExitCode::wrong_setting, "is '1,0', expected whole numbers with commas between"},
      {"model.kernel=1", ExitCode::wrong_setting, "model.kernel is '1', expected a whole number, from 2 to 1000"},
      {"train.lane=4", ExitCode::wrong_setting, "unknown setting 'train.lane', did you mean 'train.lanes'?"},
      {"train.clip=4", ExitCode::wrong_setting, "unknown setting 'train.clip', did you mean 'optimizer.clip'?"},
      {"learning_rte=4", ExitCode::wrong_setting, "did you mean 'optimizer.learning_rate'?"},
      {"tarin.window=4", ExitCode::wrong_setting, "did you mean 'train.window'?"},
      {"completely.different_thing=4", ExitCode::wrong_setting, "unknown setting 'completely.different_thing'"},
      {"train.lanes", ExitCode::wrong_flags, "'train.lanes' cannot be understood, expected section.option=value"},
      {"=5", ExitCode::wrong_flags, "'=5' cannot be understood"},
      {"", ExitCode::wrong_flags, "'' cannot be understood"},
  };
  for (const BadWord& bad : table) {
    const Error error = error_of([&] { load_settings({}, Words{bad.word}); });
    EXPECT_EQ(error.code(), bad.code) << bad.word;
    EXPECT_THAT(error.fact(), HasSubstr(bad.message)) << bad.word;
    EXPECT_EQ(error.where(), "command line") << bad.word;
    EXPECT_NE(error.fix(), "") << bad.word;
  }
}

TEST(Settings, ALongValueIsCutShortInTheMessage) {
  const Error error = error_of([] { load_settings({}, Words{"train.lanes=" + std::string(5000, '7')}); });
  EXPECT_LT(std::string(error.what()).size(), 400u);
}

struct BadFile {
  const char* name;
  std::string text;
  const char* line;  // what `where` ends with
  const char* message;
};

TEST(Settings, EveryBadFileIsRefusedNamingFileAndLine) {
  const BadFile table[] = {
      {"value.ini", "[train]\n\nlanes = x\n", "value.ini:3", "train.lanes is 'x'"},
      {"key.ini", "[train]\nlannes = 4\n", "key.ini:2", "unknown setting 'train.lannes', did you mean 'train.lanes'?"},
      {"bare.ini", "learning_rate = 4\n", "bare.ini:1", "did you mean 'optimizer.learning_rate'?"},
      {"section.ini", "[modle]\n", "section.ini:1", "unknown section '[modle]', did you mean 'model'?"},
      {"twice.ini", "[train]\nlanes=4\nwindow=3\nlanes=4\n", "twice.ini:4", "train.lanes is given twice, first at "},
      {"again.ini", "[train]\nlanes=4\n[model]\n[train]\nlanes=4\n", "again.ini:5", "train.lanes is given twice"},
      {"line.ini", "[train]\nlanes\n", "line.ini:2",
       "'lanes' cannot be understood, expected [section] or option = value"},
      {"bracket.ini", "[train\nlanes=1\n", "bracket.ini:1", "'[train' cannot be understood"},
      {"nul.ini", std::string("[train]\nlanes=\0004\n", 17), "nul.ini", "byte 0x00 at offset 14, expected a text file"},
      {"binary.ini", "\x7f\x45LF\x02\x01", "binary.ini", "byte 0x02 at offset 4, expected a text file"},
      {"huge.ini", std::string((1 << 20) + 1, '#'), "huge.ini", "is larger than 1048576 bytes"},
      {"latin.ini", "[train]\nl\xe4nes=4\n", "latin.ini:2", "unknown setting"},
  };
  for (const BadFile& bad : table) {
    const auto path = write_file(bad.name, bad.text);
    const Error error = error_of([&] { load_settings({path}, Words{}); });
    EXPECT_EQ(error.code(), ExitCode::wrong_setting) << bad.name;
    EXPECT_THAT(error.fact(), HasSubstr(bad.message)) << bad.name;
    EXPECT_TRUE(error.where().ends_with(bad.line)) << error.where();
  }
}

TEST(Settings, AMissingFileAndADirectoryAreMissingInput) {
  const Error missing = error_of([] { load_settings({"/nowhere/at/all.ini"}, Words{}); });
  EXPECT_EQ(missing.code(), ExitCode::input_missing);
  EXPECT_THAT(missing.fact(), HasSubstr("No such file or directory"));
  EXPECT_EQ(missing.where(), "/nowhere/at/all.ini");
  const Error directory = error_of([] { load_settings({testing::TempDir()}, Words{}); });
  EXPECT_EQ(directory.code(), ExitCode::input_missing);
  EXPECT_THAT(directory.fact(), HasSubstr("is a directory, expected a configuration file"));
}

TEST(Settings, AnEndlessFileIsCutOffAndRefused) {
  EXPECT_EQ(error_of([] { load_settings({"/dev/zero"}, Words{}); }).code(), ExitCode::wrong_setting);
}

}  // namespace
}  // namespace trellis
