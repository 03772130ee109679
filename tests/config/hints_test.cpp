#include "config/hints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "config/command_line.h"
#include "config/settings_io.h"
#include "config/settings_table.h"
#include "config/synonyms.h"
#include "tests/config/settings_helpers.h"

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

TEST(Synonyms, LeadToSettingsAndSectionsThatThereAre) {
  const std::vector<std::string> keys = setting_keys();
  for (const std::string& key : synonym_targets().settings) EXPECT_NE(std::find(keys.begin(), keys.end(), key), keys.end()) << key;
  for (const std::string& section : synonym_targets().sections) {
    EXPECT_TRUE(std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return key.starts_with(section + "."); })) << section;
  }
}

TEST(Synonyms, AreComparedWithoutDashesAndCapitals) {
  EXPECT_EQ(plain_word("--Batch-Size"), "batch_size");
  EXPECT_EQ(setting_called("--Batch-Size"), "train.lanes");
  EXPECT_EQ(setting_called("optimizer.LR"), "optimizer.learning_rate");
  EXPECT_EQ(setting_called("batch_siz"), std::nullopt) << "only whole words";
  EXPECT_EQ(setting_called(""), std::nullopt);
}

TEST(Synonyms, OfFlagsLeadToThoseThatACommandHas) {
  EXPECT_EQ(flag_called("out", Words{"data", "output"}), "output");
  EXPECT_EQ(flag_called("out", Words{"data", "run"}), "run");
  EXPECT_EQ(flag_called("out", Words{"data"}), std::nullopt);
}

TEST(Hints, AnUnknownFlagOfTrainIsLookedForAmongFlagsAndSettings) {
  const Words flags{"help", "version", "config", "data", "run", "resume", "init-from", "profile", "progress", "print-config"};
  struct Case {
    const char *flag, *value, *hint;
  };
  const Case table[] = {
      {"epochs", "3", ", did you mean the setting train.epochs=3, without dashes?"},
      {"lr", "1e-3", ", did you mean the setting optimizer.learning_rate=1e-3, without dashes?"},
      {"learning-rate", "0.1", ", did you mean the setting optimizer.learning_rate=0.1, without dashes?"},
      {"batch-size", "16", ", did you mean the setting train.lanes=16, without dashes?"},
      {"seed", "7", ", did you mean the setting train.seed=7, without dashes?"},
      {"device", "cuda", ", did you mean the setting train.device=cuda, without dashes?"},
      {"hidden_size", nullptr, ", did you mean the setting model.hidden=VALUE, without dashes?"},
      {"train.epochs", "3", ", did you mean the setting train.epochs=3, without dashes?"},
      {"train.epoch", "3", ", did you mean the setting train.epochs=3, without dashes?"},
      {"weight-deacy", "0", ", did you mean the setting optimizer.weight_decay=0, without dashes?"},
      {"gpus", "4", ": a rank is started for each GPU or group of cores: mpirun -n N trellis train ..."},
      {"dropout", "0.1", ": [dropout] has embedding, input, hidden, output, latent and weight: for instance dropout.hidden=0.1"},
      {"output", "runs/x", ", did you mean '--run'?"},
      {"dataset", "d", ", did you mean '--data'?"},
      {"cofnig", "x", ", did you mean '--config'?"},
      {"xyzzy-plugh", "x", ""},
  };
  for (const Case& each : table) {
    const auto value = each.value ? std::optional<std::string>(each.value) : std::nullopt;
    EXPECT_EQ(flag_hint(each.flag, value, flags, true), each.hint) << each.flag;
  }
}

TEST(Hints, ACommandWithoutSettingsNamesNone) {
  EXPECT_THAT(flag_hint("epochs", "3", Words{"data", "split"}, false), IsEmpty());
  EXPECT_EQ(flag_hint("batch-size", "3", Words{"data", "lanes"}, false), ", did you mean '--lanes'?");
  EXPECT_EQ(flag_hint("tokenizer", "char", Words{"train", "unit"}, false), ", did you mean '--unit'?");
}

TEST(Hints, TheCommandLineFindsTheValueOfAnUnknownFlag) {
  Words words;
  std::string data;
  CommandLine line("demo", "Shows.");
  line.add("data", "DIR", "data", data).positional(std::string(kSettingWords), "settings", words);
  const auto message = [&](Words arguments) {
    const Error error = error_of([&] { line.parse(arguments); });
    EXPECT_EQ(error.code(), ExitCode::wrong_flags);
    return error.fact();
  };
  EXPECT_EQ(message({"--epochs", "3"}), "unknown flag '--epochs', did you mean the setting train.epochs=3, without dashes?");
  EXPECT_EQ(message({"--data", "x", "--epochs=3"}), "unknown flag '--epochs', did you mean the setting train.epochs=3, without dashes?");
  EXPECT_EQ(message({"--epochs", "--data", "x"}), "unknown flag '--epochs', did you mean the setting train.epochs=VALUE, without dashes?");
  EXPECT_EQ(message({"-lr", "0.1"}), "unknown flag '-lr', did you mean the setting optimizer.learning_rate=0.1, without dashes?");
  EXPECT_THAT(message({"--epochs", "a\nb"}), HasSubstr("train.epochs=VALUE"));
}

TEST(Hints, AnUnknownKeyIsLookedForAmongWhatOthersCallIt) {
  struct Case {
    const char *key, *hint;
  };
  const Case table[] = {
      {"optimizer.lr", ", did you mean 'optimizer.learning_rate'?"}, {"train.batch", ", did you mean 'train.lanes'?"},
      {"train.batch_size", ", did you mean 'train.lanes'?"},         {"batch_size", ", did you mean 'train.lanes'?"},
      {"model.layers", ", did you mean 'model.levels'?"},            {"model.depth", ", did you mean 'model.levels'?"},
      {"train.bptt", ", did you mean 'train.window'?"},              {"train.seq_len", ", did you mean 'train.window'?"},
      {"model.dropout", ": [dropout] has embedding, input, hidden, output, latent and weight: for instance dropout.hidden=0.1"},
      {"train.clip", ", did you mean 'optimizer.clip'?"},            {"train.lannes", ", did you mean 'train.lanes'?"},
      {"model.model.levels", ", did you mean 'model.levels'?"},      {"a.nothing_like_it_at_all", ""},
  };
  for (const Case& each : table) EXPECT_EQ(key_hint(each.key), each.hint) << each.key;
}

TEST(Hints, AWordWithoutAnEqualsSignIsReadAsOthersWriteIt) {
  EXPECT_EQ(word_hint("train.epochs:3"), ", did you mean 'train.epochs=3'?");
  EXPECT_EQ(word_hint("epochs"), ", did you mean 'train.epochs=VALUE'?");
  EXPECT_EQ(word_hint("train.lanes"), ", did you mean 'train.lanes=VALUE'?");
  EXPECT_EQ(word_hint("3"), "");
  EXPECT_EQ(word_hint(""), "");
}

TEST(Hints, ALineOfAnotherKindOfFileIsReadAsThatKindWritesIt) {
  struct Case {
    const char *line, *section, *hint;
  };
  const Case table[] = {
      {"levels: 4", "model", ", did you mean 'levels = 4'?"},
      {"levels 4", "model", ", did you mean 'levels = 4'?"},
      {"  - levels: 4", "model", ", did you mean 'levels = 4'?"},
      {"\"levels\": 4,", "model", ", did you mean 'levels = 4'?"},
      {"dilations: [1, 2, 4]", "model", ", did you mean 'dilations = 1,2,4'?"},
      {"model.levels: 4", "", ", did you mean 'model.levels = 4'?"},
      {"levels: 4", "", ", did you mean 'levels = 4' below [model]?"},
      {"levels: 4", "train", ", did you mean 'levels = 4' below [model]?"},
      {"lr: 0.1", "optimizer", ", did you mean 'learning_rate = 0.1'?"},
      {"batch_size: 16", "optimizer", ", did you mean 'lanes = 16' below [train]?"},
      {"model:", "", ", did you mean '[model]'?"},
      {"\"model\": {", "", ", did you mean '[model]'?"},
      {"optim:", "", ", did you mean '[optimizer]'?"},
      {"[train", "", ", did you mean '[train]'?"},
      {"this is no setting", "train", ""},
      {"{", "", ""},
      {"", "", ""},
  };
  for (const Case& each : table) EXPECT_EQ(line_hint(each.line, each.section), each.hint) << each.line;
}

TEST(Hints, ReachTheMessagesOfFilesAndWords) {
  const auto path = write_file("yaml.ini", "[model]\nlevels: 4\n");
  const Error error = error_of([&] { load_settings({path}, Words{}); });
  EXPECT_THAT(error.fact(), HasSubstr("'levels: 4' cannot be understood, expected [section] or option = value, did you mean 'levels = 4'?"));
  EXPECT_TRUE(error.where().ends_with("yaml.ini:2"));
  EXPECT_THAT(error_of([&] { load_settings({write_file("s.ini", "[validation]\n")}, Words{}); }).fact(), HasSubstr("did you mean 'valid'?"));
  EXPECT_THAT(error_of([] { load_settings({}, Words{"optimizer.lr=0.1"}); }).fact(), HasSubstr("did you mean 'optimizer.learning_rate'?"));
  EXPECT_THAT(error_of([] { load_settings({}, Words{"epochs"}); }).fact(), HasSubstr("did you mean 'train.epochs=VALUE'?"));
}

}  // namespace
}  // namespace trellis
