// The stream without gradient against the window with gradient: the same numbers, in chunks of any size.
#include "model/language_stream.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <vector>

#include "base/errors.h"
#include "model/embedding.h"
#include "model/level_stack.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::expect_close;
using testing_support::fill_weights;
using testing_support::RandomTensors;

constexpr std::int64_t kLanes = 3, kSteps = 29, kVocabulary = 23;

// Of one stretch of text, time-major.
struct Answer {
  at::Tensor losses;  // [steps * lanes]
  History history;
};

TrellisShape shape_of(std::int64_t kernel, std::vector<std::int64_t> dilations) {
  return {.levels = 5, .hidden = 12, .outputs = 6, .embedding = 6, .kernel = kernel, .dilations = std::move(dilations),
          .vocabulary = kVocabulary, .cutoffs = {}};
}

// Every kind of network there is, small.
std::vector<TrellisShape> networks() {
  std::vector<TrellisShape> all{shape_of(2, {1}), shape_of(3, {1, 2, 4}), shape_of(2, {3, 1}), shape_of(2, {40}), shape_of(4, {2, 11})};
  all[1].cutoffs = {5, 9};
  all[2].weight_norm = false;
  for (const std::int64_t every : {2, 3}) all.push_back(shape_of(2, {1, 2})), all.back().injection_every = every;
  all.push_back(shape_of(2, {1, 3})), all.back().groups = 2;
  all.push_back(shape_of(2, {2})), all.back().experts = 3, all.back().embedding = 5;
  all.push_back(shape_of(2, {1})), all.back().levels = 1;
  return all;
}

std::string name_of(const TrellisShape& shape) {
  return fmt::format("{} levels, kernel {}, dilations from {} ({}), injection every {}, {} groups, {} experts", shape.levels, shape.kernel,
                     shape.dilations[0], shape.dilations.size(), shape.injection_every, shape.groups, shape.experts);
}

struct Text {
  explicit Text(const TrellisShape& of, std::uint64_t seed) : shape(of), weights(ParameterLayout(of), at::kDouble) {
    RandomTensors random(seed);
    fill_weights(weights, random);
    tokens = random.integers(kSteps * kLanes, 0, kVocabulary), targets = random.integers(kSteps * kLanes, 0, kVocabulary);
    history = {random.normal({kLanes, shape.hidden}, 0.5), random.normal({kLanes, shape.hidden}, 0.5)};
  }
  at::Tensor tokens_of(Range steps) const { return tokens.narrow(0, steps.begin * kLanes, steps.size() * kLanes); }
  at::Tensor targets_of(Range steps) const { return targets.narrow(0, steps.begin * kLanes, steps.size() * kLanes); }

  TrellisShape shape;
  Parameters weights;
  at::Tensor tokens, targets;
  History history;
};

// `steps` of the text as one window of the levels that training uses.
Answer as_window(const Text& text, Range steps, const History& history) {
  EffectiveKernels kernels;
  kernels.compute(text.weights, {});
  LevelStack stack(text.shape, {0, text.shape.levels}, kLanes, steps.size(), Keep::states, at::kDouble);
  const Range window{0, steps.size()};
  stack.begin_window(steps.size(), history, {}, {});
  embed(text.weights.view("embedding"), text.tokens_of(steps), {}, kLanes, stack.embedded(window));
  stack.forward(window, kernels.kernels());
  const auto softmax = make_output_layer(text.shape, steps.size() * kLanes, VocabularyShare::whole(text.shape), at::kDouble);
  const at::Tensor losses = softmax->run(text.weights, {{.hidden = stack.output(0), .targets = text.targets_of(steps)}}, nullptr, Accumulate::overwrite);
  const Range last{steps.size() - 1, steps.size()};
  return {losses.clone(), {stack.result_hidden(last).clone(), stack.result_cell(last).clone()}};
}

// The same as a stream, in chunks whose sizes are taken in turn.
Answer as_stream(LanguageStream& stream, const Text& text, Range steps, const std::vector<std::int64_t>& chunks) {
  std::vector<at::Tensor> losses;
  std::size_t turn = 0;
  for (std::int64_t step = steps.begin; step < steps.end;) {
    const Range chunk{step, std::min(steps.end, step + chunks[turn++ % chunks.size()])};
    stream.advance(text.tokens_of(chunk));
    losses.push_back(stream.negative_log_probabilities(text.targets_of(chunk)));
    step = chunk.end;
  }
  const History history = stream.history();
  return {at::cat(losses), {history.hidden.clone(), history.cell.clone()}};
}

void expect_same(const Answer& actual, const Answer& expected, double limit) {
  expect_close("-log p", actual.losses, expected.losses, limit);
  expect_close("h", actual.history.hidden, expected.history.hidden, limit);
  expect_close("c", actual.history.cell, expected.history.cell, limit);
}

TEST(LanguageStream, ChunksOfAnySizeGiveWhatOneWindowGives) {
  std::uint64_t seed = 0;
  for (const TrellisShape& shape : networks()) {
    SCOPED_TRACE(name_of(shape));
    const Text text(shape, ++seed);
    const Answer expected = as_window(text, {0, kSteps}, text.history);
    for (const std::vector<std::int64_t>& chunks : std::vector<std::vector<std::int64_t>>{{kSteps}, {1}, {2}, {7}, {kSteps - 1}, {1, 5, 3}, {20, 1}}) {
      SCOPED_TRACE(fmt::format("chunks of {}", chunks[0]));
      LanguageStream stream(shape, kLanes, kSteps, at::kDouble);
      stream.use(text.weights);
      stream.begin_window(text.history);
      expect_same(as_stream(stream, text, {0, kSteps}, chunks), expected, 1e-12);
    }
  }
}

TEST(LanguageStream, MemoryForFewStepsIsEnoughForMany) {
  for (const TrellisShape& shape : networks()) {
    SCOPED_TRACE(name_of(shape));
    const Text text(shape, 40);
    const Answer expected = as_window(text, {0, kSteps}, text.history);
    for (const std::int64_t most : {1, 3, 8}) {
      LanguageStream stream(shape, kLanes, most, at::kDouble);
      stream.use(text.weights);
      stream.begin_window(text.history);
      expect_same(as_stream(stream, text, {0, kSteps}, {most, 1, most}), expected, 1e-12);
    }
  }
}

TEST(LanguageStream, HistoryHandedOnIsThatOfTheWindowBefore) {
  for (const TrellisShape& shape : networks()) {
    SCOPED_TRACE(name_of(shape));
    const Text text(shape, 60);
    LanguageStream stream(shape, kLanes, 4, at::kDouble);
    stream.use(text.weights);
    History history = text.history;
    stream.begin_window(text.history);
    for (const Range window : {Range{0, 11}, Range{11, 22}, Range{22, 23}, Range{23, kSteps}}) {
      if (window.begin > 0) stream.begin_window(stream.history());
      const Answer expected = as_window(text, window, history);
      expect_same(as_stream(stream, text, window, {3, 1}), expected, 1e-12);
      history = expected.history;
    }
  }
}

TEST(LanguageStream, OneEndlessWindowIsWhatWindowsThatOverlapByAllTheirReachGive) {
  for (const TrellisShape& shape : networks()) {
    const std::int64_t reach = shape.reach();
    if (reach >= kSteps - 1) continue;  // no second window
    SCOPED_TRACE(name_of(shape));
    const Text text(shape, 100);
    LanguageStream stream(shape, kLanes, kSteps, at::kDouble);
    stream.use(text.weights);
    stream.begin_window(stream.zero_history());
    const at::Tensor endless = as_stream(stream, text, {0, kSteps}, {1}).losses;
    const auto after = [&](std::int64_t discard) {  // losses of a window from the middle on, behind what it discards
      const Range window{4, kSteps};
      return as_window(text, window, stream.zero_history()).losses.narrow(0, discard * kLanes, (window.size() - discard) * kLanes);
    };
    for (const std::int64_t discard : {reach, reach + 1}) {
      if (4 + discard >= kSteps) continue;
      expect_close(fmt::format("behind {} steps", discard), after(discard), endless.narrow(0, (4 + discard) * kLanes, (kSteps - 4 - discard) * kLanes), 1e-12);
    }
    // one step less is not enough
    const double difference = (after(reach - 1)[0] - endless[(4 + reach - 1) * kLanes]).abs().item<double>();
    EXPECT_GT(difference, 1e-9);
  }
}

TEST(LanguageStream, ProbabilitiesOfAllWordsAreThoseOfEachAndAddUpToOne) {
  for (const TrellisShape& shape : networks()) {
    SCOPED_TRACE(name_of(shape));
    const Text text(shape, 120);
    LanguageStream stream(shape, kLanes, kSteps, at::kDouble);
    stream.use(text.weights);
    stream.begin_window(text.history);
    stream.advance(text.tokens_of({0, 6}));
    const at::Tensor all = stream.log_probabilities();
    ASSERT_EQ(all.sizes(), (at::IntArrayRef{kLanes, kVocabulary}));
    expect_close("sum of probabilities", all.exp().sum(1), at::ones({kLanes}, at::kDouble), 1e-12);
    for (std::int64_t word = 0; word < kVocabulary; ++word) {
      const at::Tensor losses = stream.negative_log_probabilities(at::full({kLanes}, word, at::kLong));
      expect_close(fmt::format("word {}", word), all.select(1, word), -losses, 1e-12);
    }
  }
}

TEST(LanguageStream, RefusesWhatHasNoMeaning) {
  const Text text(shape_of(2, {1}), 140);
  LanguageStream stream(text.shape, kLanes, 4, at::kDouble);
  EXPECT_THROW(stream.advance(text.tokens_of({0, 1})), InternalError);  // no weights
  stream.use(text.weights);
  EXPECT_THROW(stream.advance(text.tokens_of({0, 1})), InternalError);  // no window
  stream.begin_window(stream.zero_history());
  EXPECT_THROW(stream.advance(text.tokens_of({0, 5})), std::exception);  // more than it was made for
  EXPECT_THROW(stream.advance(text.tokens.narrow(0, 0, kLanes + 1)), InternalError);
}

}  // namespace
}  // namespace trellis
