// The stack that computes only what the last step depends on, against the one that computes every step.
#include "model/last_step_stack.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::expect_close;
using testing_support::RandomTensors;

struct Case {
  TrellisShape shape;
  std::int64_t steps = 1, lanes = 1;
  bool mask = false;
};

struct Drawn {
  ConvolutionKernels kernels;
  at::Tensor input, hidden_mask, d_output;
};

Drawn draw(const Case& c, std::uint64_t seed) {
  RandomTensors random(seed);
  const std::int64_t H = c.shape.hidden, E = c.shape.embedding, k = c.shape.kernel;
  // as deep as these are, the result would hardly depend on the first steps if weights were small
  Drawn d{{random.normal({4 * H, k, E}, 0.7), random.normal({4 * H, k, c.shape.block_channels()}, 0.7), random.normal({4 * H}, 0.5)},
          random.normal({c.steps * c.lanes, E}), {}, random.normal({c.lanes, c.shape.outputs})};
  if (c.shape.groups > 0) d.kernels.hidden.narrow(0, 0, 4 * c.shape.block_channels()).select(1, k - 1).zero_();
  if (c.mask) d.hidden_mask = random.mask({c.lanes, H}, 0.3);
  return d;
}

ConvolutionKernels zeros_like(const ConvolutionKernels& kernels) {
  return {at::zeros_like(kernels.input), at::zeros_like(kernels.hidden), at::zeros_like(kernels.bias)};
}

struct Answer {
  at::Tensor output;
  ConvolutionKernels gradients;
};

Answer every_step(const Case& c, const Drawn& d) {
  const Range window{0, c.steps};
  LevelStack stack(c.shape, {0, c.shape.levels}, c.lanes, c.steps, Keep::gates, at::kDouble);
  const at::Tensor none = at::zeros({c.lanes, c.shape.hidden}, at::kDouble);
  stack.begin_window(c.steps, {none, none}, d.hidden_mask, {});
  stack.embedded(window).copy_(d.input);
  stack.forward(window, d.kernels);
  const auto last = [&](const at::Tensor& rows) { return rows.narrow(0, (c.steps - 1) * c.lanes, c.lanes); };
  Answer answer{last(stack.output(0)).clone(), zeros_like(d.kernels)};
  stack.d_output(0).zero_();
  last(stack.d_output(0)).copy_(d.d_output);
  stack.backward(window, d.kernels, answer.gradients, {}, {});
  return answer;
}

Answer run(LastStepStack& stack, const Case& c, const Drawn& d) {
  stack.forward(c.lanes, d.input, d.hidden_mask, d.kernels);
  Answer answer{stack.output().clone(), zeros_like(d.kernels)};
  stack.d_output().copy_(d.d_output);
  stack.backward(d.kernels, answer.gradients);
  return answer;
}

void expect_same(const Answer& actual, const Answer& expected) {
  expect_close("output", actual.output, expected.output, 1e-12);
  expect_close("gradient of W1", actual.gradients.input, expected.gradients.input, 1e-11);
  expect_close("gradient of W2", actual.gradients.hidden, expected.gradients.hidden, 1e-11);
  expect_close("gradient of bias", actual.gradients.bias, expected.gradients.bias, 1e-11);
}

TrellisShape shape_of(std::int64_t levels, std::int64_t kernel, std::vector<std::int64_t> dilations) {
  return {.levels = levels, .hidden = 9, .outputs = 5, .embedding = 3, .kernel = kernel, .dilations = std::move(dilations),
          .vocabulary = 1, .cutoffs = {}, .classifier = true};
}

TEST(LastStepStack, EqualsTheStackOfEveryStep) {
  std::uint64_t seed = 0;
  for (const std::int64_t levels : {1, 2, 5}) {
    for (const std::int64_t kernel : {2, 3}) {
      for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1}, {1, 2, 4}, {5, 1, 3}, {40}}) {
        for (const std::int64_t steps : {1, 2, 23}) {
          for (const std::int64_t groups : {0, 3}) {
            for (const std::int64_t injection_every : {1, 2}) {
              Case c{.shape = shape_of(levels, kernel, dilations), .steps = steps, .lanes = 1 + static_cast<std::int64_t>(seed % 3), .mask = seed % 2 == 0};
              c.shape.groups = groups, c.shape.injection_every = injection_every;
              SCOPED_TRACE(fmt::format("{} levels, kernel {}, dilations from {}, {} steps, {} groups, injection every {}", levels, kernel,
                                       dilations[0], steps, groups, injection_every));
              const Drawn d = draw(c, ++seed);
              const Answer expected = every_step(c, d);
              for (const Keep keep : {Keep::gates, Keep::states}) {
                LastStepStack stack(c.shape, steps, c.lanes, keep, at::kDouble);
                expect_same(run(stack, c, d), expected);
              }
            }
          }
        }
      }
    }
  }
}

TEST(LastStepStack, EqualsTheStackOfEveryStepForSequentialMnist) {
  Case c{.shape = shape_of(11, 2, {1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512}), .steps = 784, .lanes = 2, .mask = true};
  c.shape.embedding = 1;
  const Drawn d = draw(c, 7);
  const Answer expected = every_step(c, d);
  for (const Keep keep : {Keep::gates, Keep::states}) {
    LastStepStack stack(c.shape, c.steps, c.lanes, keep, at::kDouble);
    expect_same(run(stack, c, d), expected);
  }
}

TEST(LastStepStack, TakesFewerLanesThanItWasMadeForAndForgetsTheOnesBefore) {
  Case many{.shape = shape_of(4, 3, {1, 2}), .steps = 13, .lanes = 5, .mask = true}, few = many;
  few.lanes = 2, few.mask = false;
  const Drawn of_many = draw(many, 1), of_few = draw(few, 2);
  for (const Keep keep : {Keep::gates, Keep::states}) {
    LastStepStack stack(many.shape, many.steps, many.lanes, keep, at::kDouble);
    for (int repeat = 0; repeat < 2; ++repeat) {
      expect_same(run(stack, few, of_few), every_step(few, of_few));
      expect_same(run(stack, many, of_many), every_step(many, of_many));
    }
  }
}

TEST(LastStepStack, AddsItsGradientsToWhatIsThere) {
  const Case c{.shape = shape_of(3, 2, {1, 2}), .steps = 6, .lanes = 2, .mask = true};
  const Drawn d = draw(c, 3);
  const Answer expected = every_step(c, d);
  LastStepStack stack(c.shape, c.steps, c.lanes, Keep::gates, at::kDouble);
  stack.forward(c.lanes, d.input, d.hidden_mask, d.kernels);
  stack.d_output().copy_(d.d_output);
  const ConvolutionKernels sums{at::ones_like(d.kernels.input), at::ones_like(d.kernels.hidden), at::ones_like(d.kernels.bias)};
  stack.backward(d.kernels, sums);
  expect_close("W1", sums.input - 1, expected.gradients.input, 1e-12);
  expect_close("W2", sums.hidden - 1, expected.gradients.hidden, 1e-12);
  expect_close("bias", sums.bias - 1, expected.gradients.bias, 1e-12);
}

TEST(LastStepStack, RefusesWhatDoesNotFit) {
  const Case c{.shape = shape_of(2, 2, {1}), .steps = 4, .lanes = 3};
  const Drawn d = draw(c, 3);
  LastStepStack stack(c.shape, c.steps, c.lanes, Keep::gates, at::kDouble);
  const auto message = [&](std::int64_t lanes, const at::Tensor& input, const at::Tensor& mask) -> std::string {
    try {
      stack.forward(lanes, input, mask, d.kernels);
    } catch (const InternalError& error) {
      return error.fact();
    }
    return "no error";
  };
  EXPECT_EQ(message(3, d.input, {}), "no error");
  EXPECT_EQ(message(4, d.input, {}), "as many sequences as the stack was made for, one at least");
  EXPECT_EQ(message(0, d.input, {}), "as many sequences as the stack was made for, one at least");
  EXPECT_EQ(message(3, d.input.narrow(0, 0, 11), {}), "the input is [steps * lanes, E]");
  EXPECT_EQ(message(3, d.input, at::ones({2, 9}, at::kDouble)), "hidden dropout mask: expected [3, 9], got [2, 9]");
}

}  // namespace
}  // namespace trellis
