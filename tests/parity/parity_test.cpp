// The program `parity`: passes on the files in tests/parity, and fails when a number differs.
#include "parity/parity.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "tests/parity/parity_case_helpers.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::CopiedFile;
using testing_support::Outcome;
using testing_support::parity;
using testing_support::parity_folder;

std::vector<fs::path> parity_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(parity_folder())) {
    const bool trains = !entry.path().filename().string().starts_with("published_");  // those only answer
    if (trains && entry.path().extension() == ".h5") files.push_back(entry.path());
  }
  return files;
}

TEST(Parity, EveryFilePassesInEitherPrecision) {
  const auto files = parity_files();
  ASSERT_EQ(files.size(), 15u);
  for (const auto& path : files) {
    const ParityFile file(path.string());
    const auto steps = file.config().at("steps").get<std::size_t>(), parameters = file.names("params").size();
    const bool classifier = file.config().value("kind", "") == "classifier";
    const bool averaged = file.config().at("optimizer").at("name") == "asgd";
    const std::size_t quantities = (classifier ? 4 : 6) + (averaged ? 3 : 2) * parameters;
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      const std::vector<ParityResult> results = replay_parity(file, type, std::nullopt, {lone_mesh_groups()});
      EXPECT_EQ(results.size(), steps * quantities) << path;
      for (const ParityResult& result : results) {
        EXPECT_LE(result.error, type == at::kDouble ? 1e-9 : 1e-5) << path << " step " << result.step << " " << result.quantity;
      }
    }
  }
}

TEST(Parity, EveryFilesFirstStepPassesWithBfloat16Activations) {
  for (const auto& path : parity_files()) {
    const ParityFile file(path.string());
    const std::vector<ParityResult> results = replay_parity(file, at::kFloat, at::kBFloat16, {lone_mesh_groups()});
    EXPECT_GE(results.size(), 4 + file.names("params").size()) << path;
    double worst = 0;
    for (const ParityResult& result : results) {
      EXPECT_EQ(result.step, 0);
      EXPECT_LE(result.error, 5e-2) << path << " " << result.quantity;
      worst = std::max(worst, result.error);
    }
    EXPECT_GT(worst, 1e-4) << path << ": nothing was rounded";
  }
}

TEST(Parity, TheProgramPrintsEveryQuantityAndEndsWithZero) {
  const std::string file = (parity_folder() / "dropout_all.h5").string();
  const Outcome full = parity(file), quiet = parity("--quiet --dtype float32 --device cpu " + file);
  EXPECT_EQ(full.code, 0);
  for (const char* const name : {"loss", "aux_loss", "total", "grad_norm", "h ", "c ", "grads/embedding", "grads/W2_g", "params/W1_v", "params/bias"}) {
    for (const int step : {0, 1, 2}) EXPECT_THAT(full.text, HasSubstr(fmt::format("step {} {}", step, name)));
  }
  EXPECT_THAT(full.text, HasSubstr("float64 passed: largest error "));
  EXPECT_EQ(quiet.code, 0);
  EXPECT_THAT(quiet.text, HasSubstr("float32 passed: largest error "));
  EXPECT_THAT(quiet.text, Not(HasSubstr("grads/embedding  ")));
}

TEST(Parity, TheCommandLineIsChecked) {
  const std::map<std::string, std::pair<int, std::string>> cases{
      {"", {2, "no file is given"}},
      {"--dtype float16 x.h5", {2, "--dtype is 'float16'"}},
      {"--dtype bf16 --weights w x.h5", {2, "--weights only evaluates"}},
      {"--dytpe float32 x.h5", {2, "did you mean '--dtype'?"}},
      {"--device cuda:0 x.h5", {2, "give cpu or cuda"}},
      {"--dtype tf32 x.h5", {78, "which CPUs do not have"}},
      {"--help", {0, "Replays parity files"}},
      {"--version", {0, "parity "}},
      {"nowhere.h5", {66, "No such file"}},
      {"/", {65, "is a directory, expected a file"}},
      {"'" + (parity_folder() / "README.md").string() + "'", {65, "is no HDF5 file"}}};
  for (const auto& [arguments, expected] : cases) {
    const Outcome outcome = parity(arguments);
    EXPECT_EQ(outcome.code, expected.first) << arguments << "\n" << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(expected.second)) << arguments;
  }
}

TEST(Parity, TheErrorIsRelativeToTheLargestNumberAndNanIsNeverSmall) {
  const auto tensor = [](std::vector<double> values) { return at::tensor(values, at::kDouble); };
  EXPECT_EQ(parity_error(tensor({1, 2, 4}), tensor({1, 2, 4})), 0);
  EXPECT_EQ(parity_error(tensor({1, 2, 5}), tensor({1, 2, 4})), 0.25);
  EXPECT_EQ(parity_error(tensor({1, 2, -5}), tensor({0, 2, -4})), 0.25);
  EXPECT_EQ(parity_error(tensor({1e-3, 0}), tensor({0, 0})), 1e-3);
  EXPECT_EQ(parity_error(tensor({}), tensor({})), 0);
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::nan("");
  EXPECT_EQ(parity_error(tensor({nan, 1}), tensor({1, 1})), infinity);
  EXPECT_EQ(parity_error(tensor({1, 1}), tensor({nan, 1})), infinity);
  EXPECT_EQ(parity_error(tensor({infinity}), tensor({infinity})), infinity);
  EXPECT_EQ(parity_error(tensor({1, 1}), tensor({1})), infinity);
  EXPECT_EQ(parity_limit(at::kDouble), 1e-9);
  EXPECT_EQ(parity_limit(at::kFloat), 1e-5);
  EXPECT_EQ(parity_limit(at::kBFloat16), 5e-2);
  EXPECT_EQ(parity_distance(tensor({3, 4}), tensor({0, 0})), 5);
  EXPECT_EQ(parity_distance(tensor({0, 3}), tensor({0, 4})), 0.25);
  EXPECT_EQ(parity_distance(tensor({nan, 1}), tensor({1, 1})), infinity);
  EXPECT_EQ(parity_distance(tensor({1, 1}), tensor({1})), infinity);
}

TEST(Parity, TheKindsOfNetworkCompareWhatIsTheirs) {
  const auto quantities = [](const char* name) { return parity((parity_folder() / name).string()).text; };
  EXPECT_THAT(quantities("averaged_sgd.h5"), HasSubstr("step 2 averages/W2_v"));
  EXPECT_THAT(quantities("mixture_of_softmaxes.h5"), HasSubstr("step 2 grads/latent_weight"));
  EXPECT_THAT(quantities("classifier.h5"), AllOf(HasSubstr("step 1 log_probs"), HasSubstr("step 1 grads/linear_bias"), Not(HasSubstr("aux_loss"))));
}

using ParityOfACopy = CopiedFile;

TEST_F(ParityOfACopy, FailsWhereOneNumberDiffers) {
  expect(0, "passed");
  const std::function<double(double)> more = [](double x) { return x + 1e-7; };
  for (const char* const name : {"step0/loss", "step0/aux_loss", "step0/total", "step0/grad_norm", "step0/h", "step0/c", "step0/grads/bias",
                                 "step0/grads/embedding", "step0/params/W2_v", "step0/params/W1_g"}) {
    restore();
    change<double>(name, 0, more);
    expect(16, "FAILED");
  }
  // what goes in matters as well
  for (const char* const name : {"params/embedding", "params/W2_v", "h0", "c0"}) {
    restore();
    change<double>(name, 5, more);
    expect(16, "ABOVE THE LIMIT");
  }
  restore();
  change<std::int64_t>("step0/tokens", 3, [](std::int64_t token) { return token == 0 ? 1 : 0; });
  expect(16, "FAILED");
  restore();
  set("discard", 3);
  expect(16, "step 0 loss");
  restore("dropout_all.h5");
  remove("step1/masks/hidden");
  expect(16, "step 1 h ");
  // every variant has a part in its numbers
  struct Variant {
    const char* file;
    const char* key;
    nlohmann::json value;
    const char* text;
  };
  const std::vector<Variant> variants{{"penalties.h5", "alpha", 0, "step 0 total"}, {"penalties.h5", "beta", 0, "step 0 total"},
                                      {"injection_every_3.h5", "injection_period", 2, "step 0 loss"}, {"mixed_group.h5", "groups", 0, "step 0 grads/W2"},
                                      {"discarded_history.h5", "injection_period", 3, "step 0 loss"}, {"discarded_history.h5", "groups", 2, "step 0 loss"}};
  for (const Variant& variant : variants) {
    SCOPED_TRACE(std::string(variant.file) + " " + variant.key);
    restore(variant.file);
    set(variant.key, variant.value);
    expect(16, variant.text);
  }
  restore("latent_dropout.h5");
  remove("step0/masks/latent");
  expect(16, "step 0 loss");
  restore("classifier.h5");
  change<std::int64_t>("step0/labels", 0, [](std::int64_t label) { return label == 0 ? 1 : 0; });
  expect(16, "step 0 loss");
  // one bad file among good ones is enough
  const Outcome outcome = parity(fmt::format("--quiet '{}' '{}'", path_, (parity_folder() / "plain.h5").string()));
  EXPECT_EQ(outcome.code, 16);
  EXPECT_THAT(outcome.text, HasSubstr("plain.h5: float64 passed"));
}

TEST_F(ParityOfACopy, FailsOnNan) {
  change<double>("step0/h", 0, [](double) { return std::nan(""); });
  expect(16, "inf");
}

}  // namespace
}  // namespace trellis
