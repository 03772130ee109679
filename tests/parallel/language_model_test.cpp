// The whole language model against autograd, over crossed settings, and against finite differences.
#include "parallel/language_model.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/errors.h"
#include "tests/model/autograd_oracle_helpers.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using autograd_oracle::ModelAnswer;
using testing_support::every_mask;
using testing_support::expect_close;
using testing_support::fill_weights;
using testing_support::RandomTensors;

struct Case {
  TrellisShape shape;
  std::int64_t lanes = 3, steps = 7, discard = 0;
  Objective objective{.auxiliary_weight = 0.3};
  bool masks = true;
  // tokens and targets are drawn from these spans of words only
  std::vector<Range> words;

  std::string name() const {
    return fmt::format("kernel {}, dilations from {} ({}), {} levels, auxiliary every {}, {} cutoffs, normalised {}, discard {}, masks {}, "
                       "injection every {}, {} groups, {} experts, penalties {} and {}",
                       shape.kernel, shape.dilations[0], shape.dilations.size(), shape.levels, shape.auxiliary_every, shape.cutoffs.size(),
                       shape.weight_norm, discard, masks, shape.injection_every, shape.groups, shape.experts, objective.activation,
                       objective.slowness);
  }
  ScoredSteps scored() const { return {steps - discard, lanes, shape.outputs}; }
};

at::Tensor words_from(const std::vector<Range>& spans, std::int64_t count, RandomTensors& random) {
  at::Tensor words = at::empty({0}, at::kLong);
  for (const Range& span : spans) words = at::cat({words, at::arange(span.begin, span.end, at::kLong)});
  return words.index({random.integers(count, 0, words.numel())});
}

struct Drawn {
  Parameters weights, gradients;
  DropoutMasks masks;
  WindowTokens window;
  History history;
};

Drawn draw(const Case& c, at::ScalarType type, std::uint64_t seed) {
  RandomTensors random(seed, type);
  const ParameterLayout layout(c.shape);
  Drawn d{Parameters(layout, type), Parameters(layout, type), {}, {}, {}};
  fill_weights(d.weights, random);
  d.gradients.flat().fill_(std::numeric_limits<double>::quiet_NaN());  // nothing of it may survive
  if (c.masks) d.masks = every_mask(c.shape, c.lanes, 0.3, random);
  const std::vector<Range> words = c.words.empty() ? std::vector<Range>{{0, c.shape.vocabulary}} : c.words;
  d.window = {.steps = c.steps, .discard = c.discard, .tokens = words_from(words, c.steps * c.lanes, random),
              .targets = words_from(words, c.steps * c.lanes, random)};
  d.history = {random.normal({c.lanes, c.shape.hidden}, 0.5), random.normal({c.lanes, c.shape.hidden}, 0.5)};
  return d;
}

DropoutMasks in_double(const DropoutMasks& masks) {
  const auto convert = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  DropoutMasks result = masks;
  for (at::Tensor* const t : {&result.embedding_rows, &result.input, &result.hidden, &result.input_kernel.given, &result.hidden_kernel.given}) *t = convert(*t);
  for (at::Tensor& t : result.outputs) t = convert(t);
  for (at::Tensor& t : result.latents) t = convert(t);
  return result;
}

// The same numbers, computed by autograd in float64.
ModelAnswer reference(const Case& c, const Drawn& d) {
  Parameters weights(d.weights.layout(), at::kDouble);
  weights.flat().copy_(d.weights.flat());
  return autograd_oracle::run_model(c.shape, c.objective, weights, d.window, c.lanes, in_double(d.masks),
                                    {d.history.hidden.to(at::kDouble), d.history.cell.to(at::kDouble)});
}

void expect_equals_autograd(const Case& c, at::ScalarType type, Keep keep, std::uint64_t seed, double limit) {
  SCOPED_TRACE(c.name());
  Drawn d = draw(c, type, seed);
  const ModelAnswer expected = reference(c, d);
  const MeshGroups alone = lone_mesh_groups();
  LanguageModel model(alone, c.shape, c.lanes, c.steps + 2, {.objective = c.objective, .keep = keep}, type);
  const LossSums sums = LossSums::read(model.forward_backward(d.weights, d.window, d.masks, d.history, d.gradients));
  const ScoredSteps scored = c.scored();
  EXPECT_NEAR(sums.loss / scored.tokens(), expected.loss, limit * expected.loss);
  EXPECT_NEAR(sums.auxiliary / scored.tokens(), expected.auxiliary, limit * expected.auxiliary);
  const double activation = c.objective.activation > 0 ? expected.activation : 0, slowness = c.objective.slowness > 0 ? expected.slowness : 0;
  EXPECT_NEAR(sums.activation / scored.activations(), activation, limit * activation);
  EXPECT_NEAR(scored.steps > 1 ? sums.slowness / scored.changes() : sums.slowness, slowness, limit * slowness);
  expect_close("h", d.history.hidden, expected.history.hidden, limit);
  expect_close("c", d.history.cell, expected.history.cell, limit);
  for (const ParameterInfo& info : d.weights.layout().parameters()) {
    expect_close("gradient of " + info.name, d.gradients.published(info.name), expected.gradients.at(info.name), limit);
  }
}

TrellisShape small_shape() {
  return {.levels = 4, .hidden = 9, .outputs = 5, .embedding = 5, .kernel = 2, .dilations = {1}, .vocabulary = 23, .cutoffs = {}};
}

// Every combination of the settings; `visit` gets each case.
template <class Visit>
void cross(Visit visit) {
  struct Vocabulary {
    std::vector<std::int64_t> cutoffs;
    std::vector<Range> words;
  };
  const std::vector<Vocabulary> vocabularies{{{}, {}},
                                             {{7}, {}},
                                             {{5, 6, 15}, {}},                 // a cluster of one word
                                             {{5, 9, 15}, {{0, 5}, {15, 23}}}, // clusters without a row
                                             {{22}, {{0, 22}}}};               // one word, which never occurs
  for (const std::int64_t kernel : {2, 3}) {
    for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1}, {1, 2, 4}, {3, 1}}) {
      for (const bool weight_norm : {false, true}) {
        for (const std::int64_t auxiliary_every : {0, 1, 2, 3}) {
          for (const Vocabulary& vocabulary : vocabularies) {
            for (const std::int64_t discard : {0, 3}) {
              for (const bool masks : {false, true}) {
                Case c{.shape = small_shape(), .discard = discard, .masks = masks, .words = vocabulary.words};
                c.shape.kernel = kernel, c.shape.dilations = dilations, c.shape.weight_norm = weight_norm;
                c.shape.auxiliary_every = auxiliary_every, c.shape.cutoffs = vocabulary.cutoffs;
                visit(c);
              }
            }
          }
        }
      }
    }
  }
}

TEST(LanguageModel, EqualsAutogradInFloat64OverCrossedSettings) {
  std::uint64_t seed = 0;
  cross([&](const Case& c) {
    ++seed;
    expect_equals_autograd(c, at::kDouble, seed % 2 == 0 ? Keep::gates : Keep::states, seed, 1e-11);
  });
}

TEST(LanguageModel, EqualsAutogradInFloat32OverCrossedSettings) {
  std::uint64_t seed = 1000;
  cross([&](const Case& c) {
    ++seed;
    expect_equals_autograd(c, at::kFloat, seed % 2 == 0 ? Keep::gates : Keep::states, seed, 1e-5);
  });
}

TEST(LanguageModel, EqualsAutogradAtAwkwardSizes) {
  for (const std::int64_t lanes : {1, 2, 5}) {
    for (const std::int64_t steps : {1, 2, 13}) {
      for (const std::int64_t levels : {1, 7}) {
        Case c{.shape = small_shape(), .lanes = lanes, .steps = steps, .discard = steps - 1, .words = {}};
        c.shape.levels = levels, c.shape.kernel = 4, c.shape.dilations = {2, 5}, c.shape.auxiliary_every = levels, c.shape.cutoffs = {1, 2};
        expect_equals_autograd(c, at::kDouble, Keep::gates, 77, 1e-11);
      }
    }
  }
}

// Every setting drawn at random, odd sizes.
Case random_settings(std::uint64_t seed) {
  const RandomStream stream{.seed = seed};
  std::uint64_t drawn = 0;
  const auto within = [&](std::int64_t begin, std::int64_t end) {
    return begin + static_cast<std::int64_t>(stream.word(drawn++)) % (end - begin + 1);
  };
  const auto chance = [&](std::int64_t one_in) { return within(1, one_in) == 1; };
  Case c{.shape = small_shape(), .words = {}};
  TrellisShape& shape = c.shape;
  shape.levels = within(1, 7), shape.kernel = within(2, 4), shape.vocabulary = within(11, 29);
  shape.dilations.clear();
  for (std::int64_t n = within(1, 3); n > 0; --n) shape.dilations.push_back(within(1, 5));
  shape.groups = chance(2) ? within(1, 4) : 0;
  // two channels a block at least: the direction of a normalised row of one weight has no gradient but rounding
  shape.hidden = shape.groups > 0 ? shape.groups * within(2, 4) : within(3, 7);
  shape.outputs = shape.embedding = within(1, shape.hidden);
  if (chance(2)) {
    shape.experts = within(1, 5), shape.embedding = within(1, 9);
  } else if (chance(2)) {
    shape.cutoffs = {within(1, 5), within(6, 10)};
  }
  shape.injection_every = within(1, 3);
  shape.auxiliary_every = within(0, 3);
  shape.weight_norm = chance(2);
  c.lanes = within(1, 4), c.steps = within(1, 9), c.discard = within(0, c.steps - 1), c.masks = !chance(3);
  if (chance(2)) c.objective.activation = 0.7;
  if (chance(2)) c.objective.slowness = 1.3;
  return c;
}

TEST(LanguageModel, EqualsAutogradInFloat64OverRandomSettings) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    for (const Keep keep : {Keep::gates, Keep::states, Keep::states_of_every(2)}) {
      expect_equals_autograd(random_settings(seed), at::kDouble, keep, seed, 1e-10);
    }
  }
}

TEST(LanguageModel, EqualsAutogradInFloat32OverRandomSettings) {
  for (std::uint64_t seed = 1000; seed < 1100; ++seed) {
    expect_equals_autograd(random_settings(seed), at::kFloat, seed % 2 == 0 ? Keep::gates : Keep::states, seed, 3e-5);
  }
}

// The final output, an auxiliary one and the penalty on differences of the undropped output, all of one level.
TEST(LanguageModel, EqualsAutogradWhereOneLevelFeedsThreeTerms) {
  for (const Keep keep : {Keep::gates, Keep::states, Keep::states_of_every(2)}) {
    for (const std::int64_t experts : {0, 3}) {
      Case c{.shape = small_shape(), .discard = 2, .objective = {.auxiliary_weight = 0.4, .activation = 0.8, .slowness = 0.5}, .words = {}};
      c.shape.auxiliary_every = 2, c.shape.experts = experts;
      expect_equals_autograd(c, at::kDouble, keep, 31, 1e-11);
    }
  }
}

class LanguageModelOf : public testing::TestWithParam<const char*> {};

// A mixture in a mixed group network with penalties, or an adaptive softmax over a dense one.
Case case_called(const std::string& name) {
  Case c{.shape = small_shape(), .lanes = 7, .words = {}};
  c.shape.auxiliary_every = 2;
  if (name == "adaptive") {
    c.shape.cutoffs = {7, 15};
  } else {
    c.shape.groups = 3, c.shape.experts = 3, c.shape.embedding = 4, c.shape.injection_every = 2;
    c.objective.activation = 0.7, c.objective.slowness = 1.1;
  }
  return c;
}

INSTANTIATE_TEST_SUITE_P(Of, LanguageModelOf, testing::Values("adaptive", "mixture"), [](const auto& of) { return std::string(of.param); });

TEST(LanguageModel, RefusesTokensThatDoNotFit) {
  const Case c{.shape = small_shape(), .masks = false, .words = {}};
  Drawn d = draw(c, at::kDouble, 5);
  const MeshGroups alone = lone_mesh_groups();
  LanguageModel model(alone, c.shape, c.lanes, c.steps, {}, at::kDouble);
  const auto message = [&](std::int64_t steps, std::int64_t discard, const at::Tensor& tokens) -> std::string {
    try {
      const WindowTokens window{.steps = steps, .discard = discard, .tokens = tokens, .targets = d.window.targets};
      model.forward_backward(d.weights, window, d.masks, d.history, d.gradients);
    } catch (const InternalError& error) {
      return error.fact();
    }
    return "no error";
  };
  const at::Tensor tokens = d.window.tokens;
  EXPECT_EQ(message(7, 0, tokens), "no error");
  EXPECT_EQ(message(7, 0, tokens.narrow(0, 1, 20)), "tokens: expected [21], got [20]");
  EXPECT_EQ(message(6, 0, tokens.narrow(0, 0, 18)), "targets: expected [18], got [21]");
  EXPECT_EQ(message(7, 0, tokens.repeat({2}).slice(0, 0, 42, 2)), "tokens and targets lie one after another");
  EXPECT_EQ(message(7, 7, tokens), "a window has steps that carry loss");
  EXPECT_EQ(message(7, -1, tokens), "a window has steps that carry loss");
}

TEST_P(LanguageModelOf, GradientEqualsFiniteDifferences) {
  Case c = case_called(GetParam());
  c.lanes = 2, c.steps = 5, c.discard = 1, c.shape.kernel = 3, c.shape.dilations = {1, 3};
  Drawn d = draw(c, at::kDouble, 12);
  const MeshGroups alone = lone_mesh_groups();
  LanguageModel model(alone, c.shape, c.lanes, c.steps, {.objective = c.objective, .keep = Keep::states}, at::kDouble);
  Parameters scratch(d.weights.layout(), at::kDouble);
  const auto objective = [&] {
    History history{d.history.hidden.clone(), d.history.cell.clone()};
    const LossSums sums = LossSums::read(model.forward_backward(d.weights, d.window, d.masks, history, scratch));
    return total(c.objective, sums, c.scored());
  };
  objective();
  d.gradients.flat().copy_(scratch.flat());
  constexpr double kStep = 1e-4;
  for (const ParameterInfo& info : d.weights.layout().parameters()) {
    const at::Tensor values = d.weights.view(info.name).view(-1), gradient = d.gradients.view(info.name).view(-1);
    // the elements of largest gradient and some others
    const std::int64_t largest = gradient.abs().argmax().item<std::int64_t>();
    for (const std::int64_t n : {largest, std::int64_t{0}, info.count / 3, info.count / 2, info.count - 1}) {
      double* const value = values.mutable_data_ptr<double>() + n;
      const double before = *value;
      const auto at_offset = [&](double offset) {
        *value = before + offset;
        const double result = objective();
        *value = before;
        return result;
      };
      // central differences of fourth order
      const double slope = (8 * (at_offset(kStep) - at_offset(-kStep)) - (at_offset(2 * kStep) - at_offset(-2 * kStep))) / (12 * kStep);
      EXPECT_NEAR(gradient[n].item<double>(), slope, 1e-9) << info.name << "[" << n << "]";
    }
  }
}

}  // namespace
}  // namespace trellis
