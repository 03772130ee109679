// `parity --weights`: networks with the authors' weights answer as the authors' model does, and what is said where the two
// files do not belong together.
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "parity/parity.h"
#include "tests/parity/parity_case_helpers.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::CopiedFile;
using testing_support::Outcome;
using testing_support::parity;
using testing_support::parity_folder;

std::string published(const std::string& name, const char* ending) { return (parity_folder() / ("published_" + name + ending)).string(); }

TEST(ParityWithWeights, AnswersAsTheAuthorsModelDoes) {
  for (const char* const name : {"softmax", "adaptive", "mixture"}) {
    const ParityFile file(published(name, ".h5"));
    const SafetensorsFile weights = SafetensorsFile::open(published(name, ".safetensors"));
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      const std::vector<ParityResult> results = replay_published(file, weights, type);
      std::vector<std::string> quantities;
      for (const ParityResult& result : results) {
        quantities.push_back(result.quantity);
        EXPECT_LE(result.error, parity_limit(type)) << name << " " << result.quantity;
      }
      EXPECT_THAT(quantities, testing::UnorderedElementsAre("h", "c", "target_log_prob"));
    }
  }
}

TEST(ParityWithWeights, TakesOneFileThatHasNoWeights) {
  const std::string softmax = published("softmax", ".h5"), weights = published("softmax", ".safetensors"), plain = (parity_folder() / "plain.h5").string();
  const auto ends = [](int code, const std::string& text, const std::string& arguments) {
    const Outcome outcome = parity(arguments);
    EXPECT_EQ(outcome.code, code) << arguments;
    EXPECT_THAT(outcome.text, HasSubstr(text)) << arguments;
  };
  ends(0, "passed", fmt::format("--quiet --weights '{}' '{}'", weights, softmax));
  ends(2, "the file holds no weights", fmt::format("'{}'", softmax));
  ends(2, "the file holds weights of its own", fmt::format("--weights '{}' '{}'", weights, plain));
  ends(2, "--weights are of one parity file, but 2 are given", fmt::format("--weights '{}' '{}' '{}'", weights, softmax, softmax));
  ends(66, "published_softmax.safetensors.none", fmt::format("--weights '{}.none' '{}'", weights, softmax));
  ends(65, "this is no safetensors file", fmt::format("--weights '{}' '{}'", softmax, softmax));
  ends(65, "model.weight_norm=false", fmt::format("--weights '{}' '{}'", published("mixture", ".safetensors"), softmax));
  ends(65, "\"criterion.tail_vectors\" is missing", fmt::format("--weights '{}' '{}'", weights, published("adaptive", ".h5")));
}

using ParityOfACopyWithWeights = CopiedFile;

TEST_F(ParityOfACopyWithWeights, FailsWhereTheFileIsAnother) {
  const auto expect_code = [&](int code, const std::string& text) {
    const Outcome outcome = parity(fmt::format("--weights '{}' '{}'", published("adaptive", ".safetensors"), path_));
    EXPECT_EQ(outcome.code, code) << outcome.text;
    EXPECT_THAT(outcome.text, AllOf(HasSubstr(text), HasSubstr("case.h5")));
  };
  const auto with = [&](const std::function<void()>& spoil, int code, const char* text) {
    restore("published_adaptive.h5");
    spoil();
    expect_code(code, text);
  };
  with([&] { change<double>("target_log_prob", 3, [](double value) { return value * (1 + 1e-7); }); }, 16, "target_log_prob");
  with([&] { change<std::int64_t>("tokens", 0, [](std::int64_t token) { return token == 0 ? 1 : 0; }); }, 16, "ABOVE THE LIMIT");
  with([&] { set("cutoffs", {8, 16, 27}); }, 16, "target_log_prob");
  with([&] { set("layers", 5); }, 16, "ABOVE THE LIMIT");
  with([&] { remove("h0"); }, 65, "h0");
  with([&] { remove("tokens"); }, 65, "tokens");
  with([&] { replace<std::int64_t>("tokens", {24}, 1); }, 65, "expected integers [lanes, steps]");
  with([&] { replace<std::int64_t>("targets", {3, 7}, 1); }, 65, "tokens and targets differ in shape");
  with([&] { change<std::int64_t>("targets", 0, [](std::int64_t) { return 53; }); }, 65, "a token is outside [0, 53)");
  with([&] { set("layers", 1000000000000); }, 65, "parity cases are small");
  with([&] { set("kind", "classifier"); }, 65, "");
}

}  // namespace
}  // namespace trellis
