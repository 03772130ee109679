// A text read token by token against evaluation's windows, each computed whole from its beginning.
#include "model/text_stream.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/errors.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::fill_weights;
using testing_support::RandomTensors;

constexpr std::int64_t kTokens = 150, kVocabulary = 17;

TrellisShape small_shape() {
  return {.levels = 4, .hidden = 10, .outputs = 5, .embedding = 5, .kernel = 2, .dilations = {1, 2}, .vocabulary = kVocabulary, .cutoffs = {6}};
}

struct Text {
  Text() : weights(ParameterLayout(small_shape()), at::kDouble) {
    RandomTensors random(3);
    fill_weights(weights, random);
    const at::Tensor drawn = random.integers(kTokens, 0, kVocabulary);
    tokens.assign(drawn.const_data_ptr<std::int64_t>(), drawn.const_data_ptr<std::int64_t>() + kTokens);
  }
  at::Tensor span(std::int64_t first, std::int64_t count) const {
    return at::tensor(at::IntArrayRef(tokens.data() + first, static_cast<std::size_t>(count)), at::kLong);
  }
  Parameters weights;
  std::vector<std::int64_t> tokens;
};

// log p of tokens 1, 2, ..., by the plan of an evaluation with one lane.
std::vector<double> by_windows(const Text& text, std::int64_t window, std::int64_t discard) {
  const WindowPlan plan(kTokens, 1, window, discard, WindowUse::evaluation, "test");
  LanguageStream stream(small_shape(), 1, window, at::kDouble);
  stream.use(text.weights);
  std::vector<double> result;
  for (std::int64_t n = 0; n < plan.windows(); ++n) {
    const Window w = plan.window(n);
    stream.begin_window(n == 0 || plan.overlapping() ? stream.zero_history() : stream.history());
    stream.advance(text.span(w.start, w.steps));
    const at::Tensor losses = stream.negative_log_probabilities(text.span(w.start + 1, w.steps));
    for (std::int64_t step = w.discard; step < w.steps; ++step) result.push_back(-losses[step].item<double>());
  }
  return result;
}

struct Cut {
  std::int64_t window, discard;
};

// reach is 6: windows that hand on, that overlap by less, by just as much, and by more
const std::vector<Cut> kCuts{{1, 0}, {7, 0}, {64, 0}, {100, 0}, {200, 0}, {5, 1}, {9, 5}, {80, 3}, {6, 5}, {7, 6}, {20, 6}, {100, 90}, {200, 8}};

TEST(TextStream, EveryTokenHasTheProbabilityThatEvaluationGivesIt) {
  ASSERT_EQ(small_shape().reach(), 6);
  const Text text;
  for (const Cut& cut : kCuts) {
    SCOPED_TRACE(fmt::format("window {}, discard {}", cut.window, cut.discard));
    const std::vector<double> expected = by_windows(text, cut.window, cut.discard);
    ASSERT_EQ(expected.size(), static_cast<std::size_t>(kTokens - 1));
    for (const std::int64_t prompt : {1, 2, 30, 130}) {
      TextStream stream(small_shape(), cut.window, cut.discard, "test", at::kDouble);
      stream.use(text.weights);
      stream.read(std::span(text.tokens).first(static_cast<std::size_t>(prompt)));
      for (std::int64_t position = prompt; position < kTokens; ++position) {
        ASSERT_EQ(stream.position(), position);
        const std::int64_t token = text.tokens[static_cast<std::size_t>(position)];
        const double wanted = expected[static_cast<std::size_t>(position - 1)];
        ASSERT_NEAR(stream.log_probability(token), wanted, 1e-12) << "position " << position << " behind a prompt of " << prompt;
        ASSERT_NEAR(stream.log_probabilities()[token].item<double>(), wanted, 1e-12);
        stream.read({&token, 1});
      }
    }
  }
}

TEST(TextStream, TheCutMatters) {
  const Text text;
  const std::vector<double> endless = by_windows(text, 200, 8);
  for (const Cut& cut : {Cut{7, 0}, Cut{9, 5}}) {
    const std::vector<double> other = by_windows(text, cut.window, cut.discard);
    double largest = 0;
    for (std::size_t n = 0; n < endless.size(); ++n) largest = std::max(largest, std::abs(endless[n] - other[n]));
    EXPECT_GT(largest, 1e-3);
  }
}

TEST(TextStream, UseBeginsTheTextAnew) {
  const Text text;
  for (const Cut& cut : {Cut{7, 0}, Cut{9, 5}, Cut{20, 6}}) {
    TextStream stream(small_shape(), cut.window, cut.discard, "test", at::kDouble);
    std::vector<double> twice;
    for (int n = 0; n < 2; ++n) {
      stream.use(text.weights);
      EXPECT_EQ(stream.position(), 0);
      EXPECT_THROW(stream.log_probability(0), InternalError);
      EXPECT_THROW(stream.log_probabilities(), InternalError);
      stream.read(std::span(text.tokens).first(50));
      twice.push_back(stream.log_probability(1));
    }
    EXPECT_EQ(twice[0], twice[1]);
  }
}

TEST(TextStream, RefusesCutsThatMakeNoWindows) {
  EXPECT_THROW(TextStream(small_shape(), 5, 5, "test", at::kDouble), ConfigError);
  EXPECT_THROW(TextStream(small_shape(), 0, 0, "test", at::kDouble), ConfigError);
  EXPECT_THROW(TextStream(small_shape(), 5, -1, "test", at::kDouble), ConfigError);
}

}  // namespace
}  // namespace trellis
