// The classifier of sequences against autograd, over settings drawn at random, and against finite differences.
#include "model/sequence_classifier.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/errors.h"
#include "tests/model/autograd_oracle_helpers.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using autograd_oracle::ClassifierAnswer;
using testing_support::classifier_masks;
using testing_support::expect_close;
using testing_support::fill_weights;
using testing_support::RandomTensors;

struct Case {
  TrellisShape shape;
  std::int64_t lanes = 3, steps = 11;
  bool masks = true;

  std::string name() const {
    return fmt::format("kernel {}, dilations from {} ({}), {} levels, {} channels in, {} classes, normalised {}, masks {}, injection every {}, "
                       "{} groups, {} lanes, {} steps",
                       shape.kernel, shape.dilations[0], shape.dilations.size(), shape.levels, shape.embedding, shape.outputs, shape.weight_norm,
                       masks, shape.injection_every, shape.groups, lanes, steps);
  }
};

TrellisShape small_shape() {
  TrellisShape shape{.levels = 4, .hidden = 9, .outputs = 5, .embedding = 3, .kernel = 2, .dilations = {1, 2, 4}, .cutoffs = {}};
  shape.classifier = true;
  return shape;
}

Case random_settings(std::uint64_t seed) {
  const RandomStream stream{.seed = seed};
  std::uint64_t drawn = 0;
  const auto within = [&](std::int64_t begin, std::int64_t end) {
    return begin + static_cast<std::int64_t>(stream.word(drawn++)) % (end - begin + 1);
  };
  Case c{.shape = small_shape()};
  TrellisShape& shape = c.shape;
  shape.levels = within(1, 7), shape.kernel = within(2, 4), shape.embedding = within(1, 4);
  shape.dilations.clear();
  for (std::int64_t n = within(1, 4); n > 0; --n) shape.dilations.push_back(within(1, 6));
  shape.groups = within(0, 1) == 0 ? 0 : within(1, 4);
  // two channels a block at least: the direction of a normalised row of one weight has no gradient but rounding
  shape.hidden = shape.groups > 0 ? shape.groups * within(2, 4) : within(3, 7);
  shape.outputs = within(2, shape.hidden);
  shape.injection_every = within(1, 3);
  shape.weight_norm = within(0, 1) == 1;
  c.lanes = within(1, 4), c.steps = within(1, 20), c.masks = within(0, 2) > 0;
  return c;
}

struct Drawn {
  Parameters weights, gradients;
  LabelledSequences batch;
  DropoutMasks masks;
};

Drawn draw(const Case& c, at::ScalarType type, std::uint64_t seed) {
  RandomTensors random(seed, type);
  const ParameterLayout layout(c.shape);
  Drawn d{Parameters(layout, type), Parameters(layout, type), {}, {}};
  fill_weights(d.weights, random);
  d.gradients.flat().fill_(std::numeric_limits<double>::quiet_NaN());  // nothing of it may survive
  d.batch = {.lanes = c.lanes, .input = random.normal({c.steps * c.lanes, c.shape.embedding}), .labels = random.integers(c.lanes, 0, c.shape.outputs)};
  if (c.masks) d.masks = classifier_masks(c.shape, c.lanes, c.steps, 0.3, random);
  return d;
}

// The same numbers, computed by autograd in float64.
ClassifierAnswer reference(const Case& c, const Drawn& d) {
  const auto convert = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
  Parameters weights(d.weights.layout(), at::kDouble);
  weights.flat().copy_(d.weights.flat());
  DropoutMasks masks = d.masks;
  for (at::Tensor* const t : {&masks.input, &masks.hidden, &masks.input_kernel.given, &masks.hidden_kernel.given}) *t = convert(*t);
  for (at::Tensor& t : masks.outputs) t = convert(t);
  return autograd_oracle::run_classifier(c.shape, weights, {c.lanes, convert(d.batch.input), d.batch.labels}, masks);
}

void expect_equals_autograd(const Case& c, at::ScalarType type, Keep keep, std::uint64_t seed, double limit) {
  SCOPED_TRACE(c.name());
  Drawn d = draw(c, type, seed);
  const ClassifierAnswer expected = reference(c, d);
  SequenceClassifier classifier(c.shape, c.steps, c.lanes + 1, keep, type);
  const ClassificationSums sums = ClassificationSums::read(classifier.forward_backward(d.weights, d.batch, d.masks, c.lanes, d.gradients));
  SequenceClassifier::finish_gradients(d.weights, d.masks, d.gradients);
  EXPECT_NEAR(sums.loss / static_cast<double>(c.lanes), expected.loss, limit * expected.loss);
  expect_close("log p", classifier.log_probabilities(), expected.log_probabilities, limit);
  if (type == at::kDouble) {  // in float32 two classes may be as good as the same
    EXPECT_EQ(sums.correct, expected.log_probabilities.argmax(1).eq(d.batch.labels).sum().item<std::int64_t>());
  }
  for (const ParameterInfo& info : d.weights.layout().parameters()) {
    expect_close("gradient of " + info.name, d.gradients.published(info.name), expected.gradients.at(info.name), limit);
  }
}

TEST(SequenceClassifier, EqualsAutogradInFloat64OverRandomSettings) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    for (const Keep keep : {Keep::gates, Keep::states}) expect_equals_autograd(random_settings(seed), at::kDouble, keep, seed, 1e-10);
  }
}

TEST(SequenceClassifier, EqualsAutogradInFloat32OverRandomSettings) {
  for (std::uint64_t seed = 1000; seed < 1100; ++seed) {
    expect_equals_autograd(random_settings(seed), at::kFloat, seed % 2 == 0 ? Keep::gates : Keep::states, seed, 3e-5);
  }
}

// Dilations 1, 1, 2, 4, ... as in the published networks of images; fewer levels, so that autograd is quick.
TEST(SequenceClassifier, EqualsAutogradWithDilationsThatDouble) {
  Case c{.shape = small_shape(), .steps = 70};
  c.shape.levels = 7, c.shape.embedding = 1, c.shape.dilations = {1, 1, 2, 4, 8, 16, 32};
  for (const Keep keep : {Keep::gates, Keep::states}) expect_equals_autograd(c, at::kDouble, keep, 7, 1e-11);
}

TEST(SequenceClassifier, EvaluatesWithoutDropoutAndBatchesOfAnySize) {
  const Case c{.shape = small_shape(), .lanes = 5, .masks = false};
  const Drawn d = draw(c, at::kDouble, 4);
  const ClassifierAnswer expected = reference(c, d);
  SequenceClassifier classifier(c.shape, c.steps, 5, Keep::states, at::kDouble);
  ClassificationSums total;
  for (const Range lanes : {Range{0, 2}, Range{2, 2}, Range{2, 5}}) {
    const auto input = d.batch.input.view({c.steps, c.lanes, 3}).narrow(1, lanes.begin, lanes.size()).reshape({-1, 3});
    const ClassificationSums sums =
        ClassificationSums::read(classifier.evaluate(d.weights, {lanes.size(), input, d.batch.labels.narrow(0, lanes.begin, lanes.size())}));
    total.loss += sums.loss, total.correct += sums.correct;
    if (!lanes.empty()) {
      expect_close("log p", classifier.log_probabilities(), expected.log_probabilities.narrow(0, lanes.begin, lanes.size()), 1e-12);
    }
  }
  EXPECT_NEAR(total.loss / 5, expected.loss, 1e-12);
  EXPECT_EQ(total.correct, expected.log_probabilities.argmax(1).eq(d.batch.labels).sum().item<std::int64_t>());
}

TEST(SequenceClassifier, WithoutSequencesEveryGradientIsZero) {
  const Case c{.shape = small_shape()};
  Drawn d = draw(c, at::kDouble, 4);
  SequenceClassifier classifier(c.shape, c.steps, 0, Keep::gates, at::kDouble);
  const LabelledSequences none{.lanes = 0, .input = at::empty({0, 3}, at::kDouble), .labels = at::empty({0}, at::kLong)};
  EXPECT_EQ(ClassificationSums::read(classifier.forward_backward(d.weights, none, {}, 3, d.gradients)).loss, 0);
  EXPECT_TRUE(d.gradients.flat().eq(0).all().item<bool>());
}

TEST(SequenceClassifier, GradientEqualsFiniteDifferences) {
  Case c{.shape = small_shape(), .lanes = 2};
  c.shape.groups = 3, c.shape.injection_every = 2;
  Drawn d = draw(c, at::kDouble, 12);
  SequenceClassifier classifier(c.shape, c.steps, c.lanes, Keep::states, at::kDouble);
  Parameters scratch(d.weights.layout(), at::kDouble);
  const auto loss = [&] { return ClassificationSums::read(classifier.forward_backward(d.weights, d.batch, d.masks, c.lanes, scratch)).loss / 2; };
  loss();
  d.gradients.flat().copy_(scratch.flat());
  SequenceClassifier::finish_gradients(d.weights, d.masks, d.gradients);
  constexpr double kStep = 1e-4;
  for (const ParameterInfo& info : d.weights.layout().parameters()) {
    const at::Tensor values = d.weights.view(info.name).view(-1), gradient = d.gradients.view(info.name).view(-1);
    const std::int64_t largest = gradient.abs().argmax().item<std::int64_t>();
    EXPECT_GT(gradient[largest].abs().item<double>(), 1e-5) << info.name << " takes part";
    for (const std::int64_t n : {largest, info.count / 3, info.count - 1}) {
      double* const value = values.mutable_data_ptr<double>() + n;
      const double before = *value;
      const auto at_offset = [&](double offset) {
        *value = before + offset;
        const double result = loss();
        *value = before;
        return result;
      };
      // central differences of fourth order
      const double slope = (8 * (at_offset(kStep) - at_offset(-kStep)) - (at_offset(2 * kStep) - at_offset(-2 * kStep))) / (12 * kStep);
      EXPECT_NEAR(gradient[n].item<double>(), slope, 1e-9) << info.name << "[" << n << "]";
    }
  }
}

TEST(SequenceClassifier, RefusesLabelsOutsideTheClassesAndInputThatDoesNotFit) {
  const Case c{.shape = small_shape(), .masks = false};
  const Drawn d = draw(c, at::kDouble, 4);
  SequenceClassifier classifier(c.shape, c.steps, c.lanes, Keep::gates, at::kDouble);
  const auto message = [&](const at::Tensor& input, const at::Tensor& labels) -> std::string {
    try {
      classifier.evaluate(d.weights, {c.lanes, input, labels});
    } catch (const InternalError& error) {
      return error.fact();
    }
    return "no error";
  };
  EXPECT_EQ(message(d.batch.input, d.batch.labels), "no error");
  EXPECT_EQ(message(d.batch.input.narrow(0, 0, 30), d.batch.labels), "input: expected [33, 3], got [30, 3]");
  EXPECT_EQ(message(d.batch.input, d.batch.labels.narrow(0, 0, 2)), "labels: expected [3], got [2]");
  for (const std::int64_t label : {-1, 5}) {
    EXPECT_EQ(message(d.batch.input, at::full({3}, label, at::kLong)), "labels lie within the classes");
  }
}

}  // namespace
}  // namespace trellis
