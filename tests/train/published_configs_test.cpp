// The networks of configs/ have as many parameters as was published, and as their headers and docs/configurations.md say.
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <vector>

#include "config/settings_io.h"
#include "config/settings_validate.h"
#include "model/parameters.h"
#include "tests/source_folder.h"
#include "train/from_settings.h"

namespace trellis {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kPtbWords = 10'000, kPtbCharacters = 50, kWt103Words = 267'735, kClasses = 10;

struct PublishedSize {
  const char* file;  // in configs/; one of ablations/ is laid over word-ptb-paper.ini
  std::int64_t vocabulary;
  double millions;   // published; where nothing was, what the authors' scripts count
  double tolerance;  // relative
};

void PrintTo(const PublishedSize& size, std::ostream* stream) { *stream << size.file; }

const PublishedSize kLanguageModels[] = {
    {"word-ptb-paper.ini", kPtbWords, 24.1, 0.01},
    {"word-ptb-scripts.ini", kPtbWords, 24.2, 0.01},
    {"word-ptb-33m.ini", kPtbWords, 33, 0.02},
    {"wt103-paper.ini", kWt103Words, 177.6, 0.01},
    {"wt103-scripts.ini", kWt103Words, 181.7, 0.01},
    {"wt103-large-batch.ini", kWt103Words, 181.7, 0.01},
    {"char-ptb-paper.ini", kPtbCharacters, 13.46, 0.01},
    {"char-ptb-scripts.ini", kPtbCharacters, 14.53, 0.01},
};
const PublishedSize kMixtures[] = {
    {"word-ptb-mos-paper.ini", kPtbWords, 25, 0.04},
    {"word-ptb-mos-34m.ini", kPtbWords, 34, 0.02},
    {"word-ptb-mos-scripts.ini", kPtbWords, 26.59, 0.01},
};
const PublishedSize kAblations[] = {
    {"ablations/no-hidden-dropout.ini", kPtbWords, 24.1, 0.01},
    {"ablations/no-weight-dropout.ini", kPtbWords, 24.1, 0.01},
    {"ablations/no-auxiliary-losses.ini", kPtbWords, 24.1, 0.01},
    {"ablations/no-long-sequence-parallelism.ini", kPtbWords, 24.1, 0.01},
    {"ablations/mixed-group-convolution.ini", kPtbWords, 24.1, 0.01},
    {"ablations/injection-every-2.ini", kPtbWords, 24.1, 0.01},
    {"ablations/injection-every-5.ini", kPtbWords, 24.1, 0.01},
    {"ablations/injection-every-10.ini", kPtbWords, 24.1, 0.01},
    {"ablations/injection-every-20.ini", kPtbWords, 24.1, 0.01},
};
const PublishedSize kClassifiers[] = {
    {"seq-mnist-paper.ini", kClasses, 0.1, 0.01},   {"seq-mnist-scripts.ini", kClasses, 0.138, 0.01},
    {"perm-mnist-paper.ini", kClasses, 0.1, 0.01},  {"perm-mnist-scripts.ini", kClasses, 0.138, 0.01},
    {"seq-cifar10-paper.ini", kClasses, 0.1, 0.01}, {"seq-cifar10-scripts.ini", kClasses, 0.14, 0.01},
};

Settings settings_of(const std::string& file, const std::vector<std::string>& words = {}) {
  const std::filesystem::path folder = source_folder() / "configs";
  std::vector<std::filesystem::path> files;
  if (file.starts_with("ablations/")) files.push_back(folder / "word-ptb-paper.ini");
  files.push_back(folder / file);
  const LoadedSettings loaded = load_settings(files, words);
  validate(loaded.settings, loaded.origins);
  return loaded.settings;
}

// Counted from the published description of the network, without a look at ParameterLayout.
std::int64_t closed_formula(const ModelSettings& m, std::int64_t vocabulary) {
  const std::int64_t E = m.embedding, O = m.outputs, H = m.hidden, k = m.kernel, V = vocabulary, K = m.experts;
  const std::int64_t group = m.groups > 0 ? H / m.groups : H;
  std::int64_t count = 4 * H * E * k + 4 * H * group * k + 4 * H;  // W1, W2 and their bias
  if (m.groups > 0) count -= 4 * group * group;                    // no group stands before the first: it has no last tap
  if (m.weight_norm) count += 2 * 4 * H;                           // a gain for every row of W1 and W2
  if (m.task == TaskKind::classifier) return count + O * O + O;    // the linear layer
  count += V * E + V;                                              // embedding, which is the decoder, and the decoder's bias
  count += static_cast<std::int64_t>(m.cutoffs.size()) * (O + 1);  // a row and a bias for every tail cluster
  if (K > 0) count += K * O + K + K * E * O + K * E;               // the experts' prior and latent layers
  return count;
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// 24,175,600
std::string with_commas(std::int64_t count) {
  return count < 1000 ? std::to_string(count) : with_commas(count / 1000) + fmt::format(",{:03}", count % 1000);
}

class PublishedNetworks : public testing::TestWithParam<PublishedSize> {};

TEST_P(PublishedNetworks, AreAsLargeAsWasPublished) {
  const PublishedSize& published = GetParam();
  const auto count = static_cast<double>(closed_formula(settings_of(published.file).model, published.vocabulary));
  EXPECT_NEAR(count / 1e6, published.millions, published.millions * published.tolerance);
}

TEST_P(PublishedNetworks, AreAsLargeAsTheirHeadersAndTheDocumentsSay) {
  const PublishedSize& published = GetParam();
  const std::string file = published.file;
  const ModelSettings model = settings_of(file).model;
  const std::int64_t count = closed_formula(model, published.vocabulary);
  if (!file.starts_with("ablations/") || model.groups > 0) {
    EXPECT_THAT(text_of(source_folder() / "configs" / file), HasSubstr(with_commas(count)));
  }
  std::istringstream page(text_of(source_folder() / "docs/configurations.md"));
  bool listed = false;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with('|') || line.find("`configs/" + file + "`") == std::string::npos) continue;
    listed = true;
    EXPECT_THAT(line, HasSubstr(fmt::format("| {:.2f} |", static_cast<double>(count) / 1e6)));
  }
  EXPECT_TRUE(listed) << "docs/configurations.md does not list it";
}

// The program's own count against the formula.
TEST_P(PublishedNetworks, AreWhatTheLayoutOfParametersCounts) {
  const PublishedSize& published = GetParam();
  const Settings settings = settings_of(published.file);
  EXPECT_EQ(ParameterLayout(shape_from(settings, published.vocabulary)).count(), closed_formula(settings.model, published.vocabulary));
}

std::string name_of(const testing::TestParamInfo<PublishedSize>& size) {
  std::string name = std::filesystem::path(size.param.file).stem().string();
  for (char& letter : name) letter = letter == '-' ? '_' : letter;
  return name;
}

INSTANTIATE_TEST_SUITE_P(LanguageModels, PublishedNetworks, testing::ValuesIn(kLanguageModels), name_of);
INSTANTIATE_TEST_SUITE_P(Mixtures, PublishedNetworks, testing::ValuesIn(kMixtures), name_of);
INSTANTIATE_TEST_SUITE_P(Ablations, PublishedNetworks, testing::ValuesIn(kAblations), name_of);
INSTANTIATE_TEST_SUITE_P(Classifiers, PublishedNetworks, testing::ValuesIn(kClassifiers), name_of);

// Tables 4 and 5 say 8 M of the classifier, which a hidden size of 1000 has, and Table 5's 100 has not.
TEST(PublishedClassifier, TenTimesAsWideHasTheEightMillionOfThePaper) {
  for (const char* file : {"seq-mnist-paper.ini", "seq-cifar10-paper.ini"}) {
    const std::int64_t count = closed_formula(settings_of(file, {"model.hidden=1000"}).model, kClasses);
    EXPECT_NEAR(static_cast<double>(count) / 1e6, 8, 0.08);
    EXPECT_THAT(text_of(source_folder() / "configs" / file), HasSubstr(with_commas(count)));
  }
}

// The two of about equal size, so that what differs is the softmax.
TEST(SmallConfigs, TheMixtureOfSoftmaxesIsAsLargeAsThePlainNetwork) {
  const auto plain = static_cast<double>(closed_formula(settings_of("small/word-ptb.ini").model, kPtbWords));
  const auto mixture = static_cast<double>(closed_formula(settings_of("small/word-ptb-mos.ini").model, kPtbWords));
  EXPECT_NEAR(mixture / plain, 1, 0.02);
}

}  // namespace
}  // namespace trellis
