// The files of configs/: each loads, says what it is for, and differs from its neighbours only where it says so.
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "config/setting_values.h"
#include "config/settings_io.h"
#include "config/settings_table.h"
#include "config/settings_validate.h"
#include "tests/config/settings_helpers.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

const std::filesystem::path kFolder = source_folder() / "configs";
const std::filesystem::path kAblated = kFolder / "word-ptb-paper.ini";  // what the files of ablations/ are laid over
const char* const kLargeBatch = "wikitext2-large-batch.ini";            // is laid over wikitext2-small.ini

// All files below configs/, as paths relative to it.
std::vector<std::string> all_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
    if (entry.path().extension() == ".ini") files.push_back(std::filesystem::relative(entry.path(), kFolder).string());
  }
  return files;
}

// A file may leave it to the command line when the run ends: `words` may say so.
LoadedSettings load(const std::string& file, const Words& words = {}) {
  std::vector<std::filesystem::path> files;
  if (file.starts_with("ablations/")) files.push_back(kAblated);
  if (file == kLargeBatch) files.push_back(kFolder / "wikitext2-small.ini");
  files.push_back(kFolder / file);
  return load_settings(files, words);
}

std::map<std::string, std::string> values_of(const Settings& settings) {
  std::map<std::string, std::string> values;
  for_each_setting(settings, [&](const SettingInfo& info, const auto& field) { values[info.key] = format_value(field); });
  return values;
}

// "model.hidden=1712" for each setting of `file` that is not as in `base`, and has this value.
std::set<std::string> changes(const std::string& base, const std::string& file) {
  const auto before = values_of(load(base).settings);
  std::set<std::string> changed;
  for (const auto& [key, value] : values_of(load(file).settings)) {
    if (before.at(key) != value) changed.insert(key + "=" + value);
  }
  return changed;
}

TEST(ConfigFiles, EveryOneLoadsAndIsFreeOfContradictions) {
  const std::vector<std::string> files = all_files();
  EXPECT_GT(files.size(), 30u);
  for (const std::string& file : files) {
    const LoadedSettings loaded = load(file, {"train.steps=1"});
    EXPECT_NO_THROW(validate(loaded.settings, loaded.origins)) << file;
  }
}

TEST(ConfigFiles, EveryOneSaysAtItsTopWhatItIsForAndHowItIsTrained) {
  for (const std::string& file : all_files()) {
    std::ifstream stream(kFolder / file);
    std::string header;
    for (std::string line; std::getline(stream, line) && line.starts_with('#');) header += line + "\n";
    EXPECT_TRUE(header.starts_with("# ")) << file;
    EXPECT_THAT(header, HasSubstr(file == "quickstart.ini" ? "launch/quickstart" : "--config configs/" + file)) << file;
  }
}

TEST(ConfigFiles, AFileThatVariesAnotherChangesJustWhatItSays) {
  struct Variation {
    const char *base, *file;
    std::set<std::string> changes;
  };
  const Variation table[] = {
      {"word-ptb-paper.ini", "word-ptb-33m.ini", {"model.hidden=1712"}},
      {"word-ptb-mos-paper.ini", "word-ptb-mos-34m.ini", {"model.hidden=1776"}},
      {"word-ptb-scripts.ini", "word-ptb-mos-scripts.ini", {"model.experts=15", "dropout.latent=0.29"}},
      {"seq-mnist-paper.ini", "perm-mnist-paper.ini", {"data.permute=true"}},
      {"seq-mnist-scripts.ini", "perm-mnist-scripts.ini", {"data.permute=true"}},
      {"seq-mnist-paper.ini", "seq-cifar10-paper.ini", {"model.embedding=3", "train.window=1024", "data.shuffle=true"}},
      {"seq-mnist-scripts.ini", "seq-cifar10-scripts.ini", {"model.embedding=3", "train.window=1024", "data.shuffle=true"}},
      {"small/seq-mnist.ini", "small/perm-mnist.ini", {"data.permute=true"}},
      {"wikitext2-small.ini", kLargeBatch,
       {"train.lanes=64", "train.steps=508", "valid.every=254", "optimizer.name=lamb", "optimizer.learning_rate=0.03",
        "optimizer.epsilon=1e-06", "schedule.warmup=40", "schedule.decay=cosine", "schedule.decay_steps=468"}},
      {"wt103-scripts.ini", "wt103-large-batch.ini",
       {"train.lanes=640", "optimizer.name=lamb", "optimizer.learning_rate=0.01", "optimizer.clip=0.25", "optimizer.epsilon=1e-06",
        "schedule.warmup=1000", "schedule.decay=cosine", "schedule.decay_steps=52775", "schedule.floor=0.001", "schedule.milestones=",
        "schedule.plateau=0", "checkpoint.every=500", "log.every=10"}},
  };
  for (const Variation& row : table) EXPECT_EQ(changes(row.base, row.file), row.changes) << row.file;
}

TEST(ConfigFiles, EachAblationChangesJustWhatItsRowOfTable6Says) {
  const std::map<std::string, std::set<std::string>> rows = {
      {"ablations/no-hidden-dropout.ini", {"dropout.hidden=0"}},
      {"ablations/no-weight-dropout.ini", {"dropout.weight=0"}},
      {"ablations/no-auxiliary-losses.ini", {"auxiliary.every=0", "auxiliary.weight=0"}},
      {"ablations/no-long-sequence-parallelism.ini", {"train.window=55", "train.discard=0"}},
      {"ablations/mixed-group-convolution.ini", {"model.groups=2", "model.hidden=2112"}},
      {"ablations/injection-every-2.ini", {"model.injection_every=2"}},
      {"ablations/injection-every-5.ini", {"model.injection_every=5"}},
      {"ablations/injection-every-10.ini", {"model.injection_every=10"}},
      {"ablations/injection-every-20.ini", {"model.injection_every=20"}},
  };
  std::size_t files = 0;
  for (const std::string& file : all_files()) {
    if (!file.starts_with("ablations/")) continue;
    ++files;
    ASSERT_TRUE(rows.contains(file)) << file;
    EXPECT_EQ(changes("word-ptb-paper.ini", file), rows.at(file)) << file;
  }
  EXPECT_EQ(files, rows.size());
}

// A decay that a file gives ends with the run, and the header says how many steps that is.
TEST(ConfigFiles, ADecayEndsWithTheRun) {
  const Settings small = load(kLargeBatch).settings, large = load("wt103-large-batch.ini").settings;
  EXPECT_EQ(small.schedule.warmup + small.schedule.decay_steps, small.train.steps);
  constexpr std::int64_t kWt103Tokens = 103'227'021;
  const std::int64_t targets = kWt103Tokens / large.train.lanes - 1, window = large.train.window;
  const std::int64_t steps_a_pass = (targets + window - 1) / window;
  EXPECT_EQ(steps_a_pass, 2151);
  EXPECT_EQ(large.schedule.warmup + large.schedule.decay_steps, large.train.epochs * steps_a_pass);
}

// A file that names a published result trains to its end by itself.
TEST(ConfigFiles, EveryPublishedSettingGivesTheNumberOfEpochs) {
  for (const std::string& file : all_files()) {
    if (file.starts_with("small/") || file == "quickstart.ini" || file.starts_with("wikitext2-")) continue;
    EXPECT_GT(load(file).settings.train.epochs, 0) << file;
  }
}

// A classifier's verdict is that of the last step: it has to see the whole image from there.
TEST(ConfigFiles, EveryClassifierSeesItsWholeImage) {
  int classifiers = 0;
  for (const std::string& file : all_files()) {
    const Settings settings = load(file).settings;
    if (settings.model.task != TaskKind::classifier) continue;
    ++classifiers;
    int reach = 0;
    for (int level = 0; level < settings.model.levels; ++level) {
      reach += (settings.model.kernel - 1) * settings.model.dilations[level % settings.model.dilations.size()];
    }
    EXPECT_GE(reach + 1, settings.train.window) << file;
    EXPECT_EQ(settings.train.window, settings.model.embedding == 3 ? 32 * 32 : 28 * 28) << file;
  }
  EXPECT_GT(classifiers, 0);
}

}  // namespace
}  // namespace trellis
