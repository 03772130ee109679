// Settings held against each other and against those of a checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "config/settings_resume.h"
#include "config/settings_table.h"
#include "config/settings_validate.h"
#include "tests/config/settings_helpers.h"

namespace trellis {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(Validate, AcceptsTheDefaultsOnceTheRunHasAnEnd) {
  Settings settings;
  for (const char* limit : {"train.steps=5", "train.epochs=1", "train.patience=3", "train.seconds=0.5"}) {
    EXPECT_NO_THROW(validate(load_settings({}, Words{limit}).settings)) << limit;
  }
  EXPECT_EQ(error_of([&] { validate(settings); }).code(), ExitCode::wrong_setting);
}

TEST(Validate, RefusesEachContradictionWithBothValues) {
  struct Contradiction {
    Words words;
    const char* message;
  };
  const Contradiction table[] = {
      {{}, "the run would never end"},
      {{"train.steps=1", "model.hidden=64"}, "model.outputs is 128, expected at most model.hidden, which is 64"},
      {{"train.steps=1", "model.embedding=64"}, "model.embedding is 64, expected model.outputs, which is 128"},
      {{"train.steps=1", "model.dilations="}, "model.dilations is empty"},
      {{"train.steps=1", "model.cutoffs=5,5"}, "model.cutoffs is 5,5, expected rising numbers: 5 follows 5"},
      {{"train.steps=1", "train.discard=32"}, "train.discard is 32, expected less than train.window, which is 32"},
      {{"train.steps=1", "train.discard=9", "valid.window=9"}, "expected less than valid.window, which is 9"},
      {{"train.steps=1", "auxiliary.weight=0.1"}, "auxiliary.weight is 0.1, but auxiliary.every is 0"},
      {{"train.steps=1", "auxiliary.every=17"}, "auxiliary.every is 17, expected at most model.levels, which is 16"},
      {{"train.steps=1", "model.groups=3"}, "model.groups is 3, expected a divisor of model.hidden, which is 256"},
      {{"train.steps=1", "model.injection_every=17"}, "model.injection_every is 17, expected at most model.levels, which is 16"},
      {{"train.steps=1", "model.experts=3", "model.cutoffs=5"}, "model.experts is 3 and model.cutoffs is 5"},
      {{"train.steps=1", "dropout.latent=0.1"}, "dropout.latent is 0.1, but model.experts is 0"},
      {{"train.steps=1", "data.permute=true"}, "data.permute is true, but model.task is language_model"},
      {{"train.steps=1", "data.shuffle=true"}, "data.shuffle is true, but model.task is language_model"},
      {{"train.steps=1", "model.task=classifier", "model.experts=2"}, "model.experts is 2, but model.task is classifier"},
      {{"train.steps=1", "model.task=classifier", "model.cutoffs=2"}, "model.cutoffs is 2, but model.task is classifier"},
      {{"train.steps=1", "model.task=classifier", "train.discard=2"}, "train.discard is 2, but model.task is classifier"},
      {{"train.steps=1", "model.task=classifier", "penalty.slowness=1"}, "penalty.slowness is 1, but model.task is classifier"},
      {{"train.steps=1", "model.task=classifier", "memory.recompute=levels(8)"}, "memory.recompute is levels(8), but model.task is classifier"},
      {{"train.steps=1", "optimizer.averaging=always"}, "optimizer.averaging is always, but optimizer.name is adam"},
      {{"train.steps=1", "optimizer.averaging=plateau", "optimizer.name=sgd"},
       "optimizer.averaging is plateau, but schedule.plateau is 0"},
      {{"train.steps=1", "schedule.milestones=3,2"},
       "schedule.milestones is 3,2, expected rising numbers: 2 follows 3"},
      {{"train.steps=1", "optimizer.name=lamb", "optimizer.averaging=always"},
       "optimizer.averaging is always, but optimizer.name is lamb"},
      {{"train.steps=1", "schedule.decay=cosine"}, "schedule.decay is cosine, but schedule.decay_steps is 0"},
      {{"train.steps=1", "schedule.decay_steps=9"}, "schedule.decay_steps is 9, but schedule.decay is none"},
      {{"train.steps=1", "schedule.batch_rule=square_root"}, "schedule.batch_rule is square_root, but schedule.reference_batch is 0"},
      {{"train.steps=1", "schedule.reference_batch=512"}, "schedule.reference_batch is 512, but schedule.batch_rule is none"},
      {{"train.steps=1", "schedule.batch_rule=linear", "schedule.reference_batch=1024", "schedule.floor=0.0015"},
       "schedule.floor is 0.0015, expected at most optimizer.learning_rate, which is 0.002 and 0.001 under schedule.batch_rule"},
      {{"train.steps=1", "schedule.floor=1"}, "schedule.floor is 1, expected at most optimizer.learning_rate"},
  };
  for (const Contradiction& bad : table) {
    const LoadedSettings loaded = load_settings({}, bad.words);
    const Error error = error_of([&] { validate(loaded.settings, loaded.origins); });
    EXPECT_EQ(error.code(), ExitCode::wrong_setting) << bad.message;
    EXPECT_THAT(error.fact(), HasSubstr(bad.message));
    EXPECT_NE(error.where(), "") << bad.message;
    EXPECT_NE(error.fix(), "") << bad.message;
  }
}

TEST(Validate, AcceptsEveryVariantOfTheNetwork) {
  for (const Words& words : {Words{"model.experts=5", "model.embedding=64", "dropout.latent=0.2"},
                             Words{"model.groups=4", "model.injection_every=16"},
                             Words{"model.task=classifier", "model.embedding=1", "data.permute=true", "data.shuffle=true"},
                             Words{"optimizer.name=sgd", "optimizer.averaging=plateau", "schedule.plateau=3"},
                             Words{"optimizer.name=lamb", "optimizer.weight_decay=0.01", "schedule.batch_rule=linear", "schedule.reference_batch=64",
                                   "schedule.floor=0.01", "schedule.decay=cosine", "schedule.decay_steps=5"},
                             Words{"schedule.decay=inverse_square_root", "schedule.decay_steps=5", "schedule.milestones=3"},
                             Words{"penalty.activation=2", "penalty.slowness=1"}}) {
    Words all = words;
    all.push_back("train.steps=1");
    EXPECT_NO_THROW(validate(load_settings({}, all).settings)) << words[0];
  }
}

TEST(Validate, SaysWhereBothValuesWereGiven) {
  const auto file = write_file("both.ini", "[train]\nsteps=1\n[model]\nhidden = 64\n");
  const LoadedSettings loaded = load_settings({file}, Words{"model.embedding=128"});
  const Error error = error_of([&] { validate(loaded.settings, loaded.origins); });
  EXPECT_EQ(error.where(), "model.outputs (default), model.hidden (" + file.string() + ":4)");
}

TEST(Resume, NamesWhatWouldMakeItAnotherRun) {
  Settings saved, now;
  now.model.levels = 8;
  now.train.seed = 2;
  now.optimizer.name = OptimizerName::sgd;
  now.optimizer.learning_rate = 0.001;
  now.train.steps = 77;
  EXPECT_EQ(incompatible_changes(saved, now),
            (std::vector<SettingChange>{
                {"model.levels", "16", "8"}, {"train.seed", "1", "2"}, {"optimizer.name", "adam", "sgd"}}));
  EXPECT_EQ(noticed_changes(saved, now), (std::vector<SettingChange>{{"optimizer.learning_rate", "0.002", "0.001"}}));
  EXPECT_EQ(describe(noticed_changes(saved, now)), "optimizer.learning_rate: 0.002 in the checkpoint, 0.001 now");
}

TEST(Resume, EverySettingOfTheModelAndTheBatchIsFixed) {
  std::vector<std::string> fixed;
  for (const SettingChange& change : incompatible_changes(Settings{}, everything_changed()))
    fixed.push_back(change.key);
  for (const std::string& key : setting_keys()) {
    if (key.starts_with("model.")) {
      EXPECT_THAT(fixed, testing::Contains(key));
    }
  }
  for (const char* key : {"train.lanes", "train.window", "train.discard", "train.precision", "train.seed"}) {
    EXPECT_THAT(fixed, testing::Contains(key));
  }
  for (const char* key : {"train.steps", "train.threads", "checkpoint.keep"}) {
    EXPECT_THAT(fixed, testing::Not(testing::Contains(key)));
  }
}

}  // namespace
}  // namespace trellis
