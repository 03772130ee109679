// The stack cut into ranges of levels (pipeline stages) and chunks of time gives what one call on the whole window gives,
// and both give what autograd gives.
#include "model/level_stack.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "base/errors.h"
#include "model/level_stream.h"
#include "tests/model/autograd_oracle_helpers.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using autograd_oracle::StackAnswer;
using autograd_oracle::StackCase;
using testing_support::expect_close;
using testing_support::RandomTensors;

struct Sizes {
  std::int64_t levels = 6, lanes = 3, steps = 17, kernel = 3;
  std::vector<std::int64_t> dilations{1, 4};
  std::int64_t auxiliary_every = 2;
  bool masks = true, gradient_from_above = true;
  std::int64_t groups = 0, injection_every = 1;
};

StackCase random_case(const Sizes& sizes, std::uint64_t seed) {
  RandomTensors random(seed);
  StackCase c;
  c.shape = {.levels = sizes.levels, .hidden = 7, .outputs = 4, .embedding = 4, .kernel = sizes.kernel, .dilations = sizes.dilations,
             .vocabulary = 5, .cutoffs = {}, .auxiliary_every = sizes.auxiliary_every, .injection_every = sizes.injection_every,
             .groups = sizes.groups};
  if (sizes.groups > 0) c.shape.hidden = 3 * sizes.groups;
  const std::int64_t H = c.shape.hidden, E = c.shape.embedding, O = c.shape.outputs, rows = sizes.steps * sizes.lanes;
  c.lanes = sizes.lanes, c.steps = sizes.steps;
  c.input_kernel = random.normal({4 * H, sizes.kernel, E}, 0.5);
  c.hidden_kernel = random.normal({4 * H, sizes.kernel, c.shape.block_channels()}, 0.5);
  c.bias = random.normal({4 * H}, 0.5);
  c.embedded = random.normal({rows, E});
  c.history = {random.normal({sizes.lanes, H}), random.normal({sizes.lanes, H})};
  if (sizes.masks) c.hidden_mask = random.mask({sizes.lanes, H}, 0.3);
  for (std::int64_t n = 0; n < c.shape.output_count(); ++n) {
    if (sizes.masks) c.output_masks.push_back(random.mask({sizes.lanes, O}, 0.3));
    c.d_outputs.push_back(random.normal({rows, O}));
  }
  if (sizes.gradient_from_above) c.d_result_hidden = random.normal({rows, H}), c.d_result_cell = random.normal({rows, H});
  return c;
}

// The levels as `stages` LevelStacks joined as a pipeline joins them.
class Pipeline {
 public:
  Pipeline(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, int stages, Keep keep) : lanes_(lanes) {
    for (int stage = 0; stage < stages; ++stage) {
      stages_.push_back(std::make_unique<LevelStack>(shape, shard_range(shape.levels, stages, stage), lanes, max_steps, keep,
                                                     at::TensorOptions(at::kDouble)));
      stages_.back()->keep_history_gradient();
    }
  }

  StackAnswer run(const StackCase& c, int chunks) {
    const ConvolutionKernels kernels{c.input_kernel, c.hidden_kernel, c.bias};
    const Range window{0, c.steps};
    StackAnswer answer;
    for (auto& stage : stages_) {
      stage->begin_window(c.steps, c.history, c.hidden_mask, c.output_masks);
      stage->embedded(window).copy_(c.embedded);
    }
    for (int chunk = 0; chunk < chunks; ++chunk) forward(shard_range(c.steps, chunks, chunk), kernels);
    answer.result_hidden = stages_.back()->result_hidden(window).clone();
    answer.result_cell = stages_.back()->result_cell(window).clone();
    for (std::size_t n = 0; n < c.d_outputs.size(); ++n) {
      const auto number = static_cast<std::int64_t>(n);
      for (auto& stage : stages_) {
        if (!stage->output(number).defined()) continue;
        answer.outputs.push_back(stage->output(number).clone());
        stage->d_output(number).copy_(c.d_outputs[n]);
      }
    }

    ConvolutionKernels gradients{at::zeros_like(c.input_kernel), at::zeros_like(c.hidden_kernel), at::zeros_like(c.bias)};
    for (int chunk = chunks - 1; chunk >= 0; --chunk) backward(shard_range(c.steps, chunks, chunk), c, kernels, gradients);
    answer.d_input_kernel = gradients.input, answer.d_hidden_kernel = gradients.hidden, answer.d_bias = gradients.bias;
    answer.d_embedded = at::zeros_like(c.embedded);
    answer.d_history = {at::zeros_like(c.history.hidden), at::zeros_like(c.history.cell)};
    for (auto& stage : stages_) {
      answer.d_embedded += stage->d_embedded();
      answer.d_history.hidden += stage->d_history().hidden;
      answer.d_history.cell += stage->d_history().cell;
    }
    return answer;
  }

 private:
  void forward(Range time, const ConvolutionKernels& kernels) {
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      if (s > 0) {
        stages_[s]->input_hidden(time).copy_(stages_[s - 1]->result_hidden(time));
        stages_[s]->input_cell(time).copy_(stages_[s - 1]->result_cell(time));
      }
      stages_[s]->forward(time, kernels);
    }
  }
  void backward(Range time, const StackCase& c, const ConvolutionKernels& kernels, const ConvolutionKernels& gradients) {
    const auto rows = [&](const at::Tensor& t) {
      return t.defined() ? t.narrow(0, time.begin * lanes_, time.size() * lanes_) : t;
    };
    at::Tensor d_hidden = rows(c.d_result_hidden), d_cell = rows(c.d_result_cell);
    for (std::size_t s = stages_.size(); s-- > 0;) {
      stages_[s]->backward(time, kernels, gradients, d_hidden, d_cell);
      EXPECT_EQ(stages_[s]->d_input_hidden().defined(), s > 0);
      if (s > 0) d_hidden = stages_[s]->d_input_hidden().clone(), d_cell = stages_[s]->d_input_cell().clone();
    }
  }

  std::int64_t lanes_;
  std::vector<std::unique_ptr<LevelStack>> stages_;
};

void expect_same(const StackAnswer& actual, const StackAnswer& expected, double limit) {
  ASSERT_EQ(actual.outputs.size(), expected.outputs.size());
  for (std::size_t n = 0; n < actual.outputs.size(); ++n) expect_close(fmt::format("output {}", n), actual.outputs[n], expected.outputs[n], limit);
  expect_close("h", actual.result_hidden, expected.result_hidden, limit);
  expect_close("c", actual.result_cell, expected.result_cell, limit);
  expect_close("gradient of W1", actual.d_input_kernel, expected.d_input_kernel, limit);
  expect_close("gradient of W2", actual.d_hidden_kernel, expected.d_hidden_kernel, limit);
  expect_close("gradient of bias", actual.d_bias, expected.d_bias, limit);
  expect_close("gradient of the embedded input", actual.d_embedded, expected.d_embedded, limit);
  expect_close("gradient of the history's h", actual.d_history.hidden, expected.d_history.hidden, limit);
  expect_close("gradient of the history's c", actual.d_history.cell, expected.d_history.cell, limit);
}

StackAnswer one_call(const StackCase& c, Keep keep = Keep::gates) { return Pipeline(c.shape, c.lanes, c.steps, 1, keep).run(c, 1); }

struct Cut {
  int stages, chunks;
  Keep keep;
};

class LevelStackPieces : public testing::TestWithParam<Cut> {};

std::string cut_name(const testing::TestParamInfo<Cut>& info) {
  return fmt::format("{}_stages_{}_chunks_{}", info.param.stages, info.param.chunks,
                     info.param.keep.all_gates ? "gates" : fmt::format("states_of_every_{}", info.param.keep.every));
}

TEST_P(LevelStackPieces, EqualOneCallOnTheWholeWindow) {
  const Cut cut = GetParam();
  for (const Sizes& sizes : {Sizes{},                                     // chunks of 17, 8, 5 and 2 steps, halo of 8
                             Sizes{.levels = 3},                          // stages of one level
                             Sizes{.levels = 7, .auxiliary_every = 3, .gradient_from_above = false},
                             Sizes{.lanes = 1, .masks = false},
                             Sizes{.steps = 7, .dilations = {4, 1}},      // chunks of one step
                             Sizes{.kernel = 2, .dilations = {9}, .auxiliary_every = 1},
                             Sizes{.levels = 9, .kernel = 2, .dilations = {1}},      // inputs of levels in one memory
                             Sizes{.levels = 9, .dilations = {2}, .masks = false},
                             Sizes{.levels = 8, .dilations = {1, 2, 4}},             // halos of two to eight steps in one place
                             Sizes{.levels = 8, .kernel = 2, .dilations = {40, 1}},  // and of more than a window
                             Sizes{.levels = 7, .kernel = 1, .dilations = {3}},      // a halo of c only
                             Sizes{.injection_every = 2},                 // a stage may have no level that is injected
                             Sizes{.levels = 7, .injection_every = 7},
                             Sizes{.dilations = {1, 2, 3}, .injection_every = 4},  // one of three dilations is injected, later others
                             Sizes{.kernel = 2, .groups = 3},
                             Sizes{.masks = false, .groups = 2, .injection_every = 3},
                             Sizes{.kernel = 4, .dilations = {1, 4, 2}, .auxiliary_every = 0}}) {
    const StackCase c = random_case(sizes, 5);
    SCOPED_TRACE(fmt::format("{} levels, {} steps, kernel {}, first dilation {}, {} groups, injection every {}", sizes.levels, sizes.steps,
                             sizes.kernel, sizes.dilations[0], sizes.groups, sizes.injection_every));
    expect_same(Pipeline(c.shape, c.lanes, c.steps, cut.stages, cut.keep).run(c, cut.chunks), one_call(c), 1e-12);
  }
}

TEST_P(LevelStackPieces, LeaveNothingBehindForTheNextWindow) {
  const Cut cut = GetParam();
  const Sizes sizes;
  Pipeline pipeline(random_case(sizes, 1).shape, sizes.lanes, sizes.steps + 3, cut.stages, cut.keep);
  for (const std::int64_t steps : {std::int64_t{20}, std::int64_t{9}, std::int64_t{1}, std::int64_t{3}, std::int64_t{17}}) {
    Sizes window = sizes;
    window.steps = steps, window.masks = steps != 9;
    const StackCase c = random_case(window, 100 + static_cast<std::uint64_t>(steps));
    SCOPED_TRACE(fmt::format("{} steps", steps));
    expect_same(pipeline.run(c, std::min(cut.chunks, static_cast<int>(steps))), one_call(c), 1e-12);
  }
}

std::vector<Cut> cuts() {
  std::vector<Cut> all;
  for (const int stages : {1, 2, 3}) {
    for (const int chunks : {1, 2, 3, 7}) {
      for (const Keep keep : {Keep::gates, Keep::states, Keep::states_of_every(2), Keep::states_of_every(3), Keep::states_of_every(5),
                              Keep::states_of_every(100)}) {
        all.push_back({stages, chunks, keep});
      }
    }
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Cuts, LevelStackPieces, testing::ValuesIn(cuts()), cut_name);

TEST(LevelStack, OneCallEqualsAutograd) {
  std::vector<Sizes> cases;
  for (const std::int64_t kernel : {2, 3, 4}) {
    for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1}, {1, 4}, {3, 1}, {1, 2, 4}, {30}}) {
      for (const std::int64_t levels : {1, 2, 5}) {
        for (const std::int64_t steps : {1, 2, 12}) {
          for (const std::int64_t lanes : {1, 3}) {
            cases.push_back({.levels = levels, .lanes = lanes, .steps = steps, .kernel = kernel, .dilations = dilations,
                             .auxiliary_every = (levels + steps) % 3, .masks = lanes == 3, .gradient_from_above = steps != 2});
            if (lanes == 3) cases.push_back(cases.back()), cases.back().injection_every = 1 + (levels + kernel) % 3;
          }
        }
      }
    }
  }
  for (const Sizes& sizes : cases) {
    SCOPED_TRACE(fmt::format("{} levels, {} steps, {} lanes, kernel {}, dilations from {}, auxiliary every {}", sizes.levels, sizes.steps,
                             sizes.lanes, sizes.kernel, sizes.dilations[0], sizes.auxiliary_every));
    const StackCase c = random_case(sizes, 9);
    const StackAnswer expected = autograd_oracle::run_stack(c);
    expect_same(one_call(c, Keep::gates), expected, 1e-11);
    expect_same(one_call(c, Keep::states), expected, 1e-11);
    expect_same(one_call(c, Keep::states_of_every(2)), expected, 1e-11);
    expect_same(one_call(c, Keep::states_of_every(3)), expected, 1e-11);
  }
}

TEST(LevelStack, PiecesEqualAutograd) {
  const StackCase c = random_case({}, 3);
  expect_same(Pipeline(c.shape, c.lanes, c.steps, 3, Keep::states).run(c, 7), autograd_oracle::run_stack(c), 1e-11);
}

TEST(LevelStream, GivesTheSameForward) {
  for (const std::int64_t steps : {1, 5, 17}) {
    for (const std::int64_t levels : {1, 2, 5}) {
      for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1, 4}, {4, 1}, {30}}) {
        const StackCase c = random_case({.levels = levels, .steps = steps, .dilations = dilations, .masks = false}, 21);
        SCOPED_TRACE(fmt::format("{} levels, {} steps, dilations from {}", levels, steps, dilations[0]));
        const StackAnswer expected = one_call(c);
        LevelStream stream(c.shape, c.lanes, 20, at::TensorOptions(at::kDouble));
        for (int repeat = 0; repeat < 2; ++repeat) {
          stream.begin_window(c.history);
          stream.embedded(steps).copy_(c.embedded);
          stream.advance(steps, {c.input_kernel, c.hidden_kernel, c.bias});
          const auto last_step = [&](const at::Tensor& rows) { return rows.narrow(0, (steps - 1) * c.lanes, c.lanes); };
          expect_close("output", stream.output(), expected.outputs[0], 1e-14);
          expect_close("h", stream.history().hidden, last_step(expected.result_hidden), 1e-14);
          expect_close("c", stream.history().cell, last_step(expected.result_cell), 1e-14);
        }
      }
    }
  }
}

// What a stage hands down is there before the kernel's gradient, which then comes out the same.
TEST(LevelStack, TheKernelsGradientMayBeMadeApart) {
  for (const Keep keep : {Keep::gates, Keep::states, Keep::states_of_every(2)}) {
    const StackCase c = random_case({.dilations = {1}}, 6);
    const ConvolutionKernels kernels{c.input_kernel, c.hidden_kernel, c.bias};
    const auto run = [&](bool apart) {
      LevelStack stack(c.shape, {2, c.shape.levels}, c.lanes, c.steps, keep, at::TensorOptions(at::kDouble));
      const ConvolutionKernels gradients{at::zeros_like(c.input_kernel), at::zeros_like(c.hidden_kernel), at::zeros_like(c.bias)};
      if (apart) stack.defer_kernel_gradient();
      stack.begin_window(c.steps, c.history, c.hidden_mask, c.output_masks);
      stack.embedded({0, c.steps}).copy_(c.embedded);
      stack.input_hidden({0, c.steps}).fill_(0.3);
      stack.input_cell({0, c.steps}).fill_(0.2);
      for (const Range time : {Range{0, 9}, Range{9, c.steps}}) stack.forward(time, kernels);
      for (std::size_t n = 0; n < c.d_outputs.size(); ++n) {
        const at::Tensor d_output = stack.d_output(static_cast<std::int64_t>(n));
        if (d_output.defined()) d_output.copy_(c.d_outputs[n]);
      }
      for (const Range time : {Range{9, c.steps}, Range{0, 9}}) {
        const auto rows = [&](const at::Tensor& t) { return t.narrow(0, time.begin * c.lanes, time.size() * c.lanes); };
        stack.backward(time, kernels, gradients, rows(c.d_result_hidden), rows(c.d_result_cell));
      }
      const std::vector<at::Tensor> handed_down{stack.d_input_hidden().clone(), stack.d_input_cell().clone(), stack.d_embedded().clone()};
      if (apart) {
        EXPECT_EQ(at::equal(gradients.hidden, at::zeros_like(gradients.hidden)), keep == Keep::gates);
        stack.finish_kernel_gradient(gradients);
      }
      std::vector<at::Tensor> all{gradients.input, gradients.hidden, gradients.bias};
      all.insert(all.end(), handed_down.begin(), handed_down.end());
      return all;
    };
    const std::vector<at::Tensor> whole = run(false), apart = run(true);
    for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_TRUE(at::equal(whole[n], apart[n])) << "tensor " << n;
  }
}

// What is computed again are the same numbers, not only close ones: whatever is kept of a window, all but sums over levels come
// out bit by bit.
TEST(LevelStack, WhatIsComputedAgainIsTheSameToTheBit) {
  for (const Sizes& sizes : {Sizes{.levels = 8, .kernel = 2, .dilations = {1}}, Sizes{.levels = 8, .dilations = {1, 2, 4}}}) {
    const StackCase c = random_case(sizes, 12);
    for (const int chunks : {1, 2, 3, 7}) {
      const auto run = [&](Keep keep) { return Pipeline(c.shape, c.lanes, c.steps, 1, keep).run(c, chunks); };
      const StackAnswer expected = run(Keep::gates);
      for (const std::int64_t every : {1, 2, 3, 5, 100}) {
        SCOPED_TRACE(fmt::format("{} chunks, every {}, first of {} dilations", chunks, every, sizes.dilations.size()));
        const StackAnswer actual = run(Keep::states_of_every(every));
        for (std::size_t n = 0; n < expected.outputs.size(); ++n) EXPECT_TRUE(at::equal(actual.outputs[n], expected.outputs[n]));
        EXPECT_TRUE(at::equal(actual.result_hidden, expected.result_hidden));
        EXPECT_TRUE(at::equal(actual.result_cell, expected.result_cell));
        EXPECT_TRUE(at::equal(actual.d_history.hidden, expected.d_history.hidden));
        EXPECT_TRUE(at::equal(actual.d_history.cell, expected.d_history.cell));
        expect_same(actual, expected, 1e-13);
      }
    }
  }
}

// The history that a window leaves enters the next, of which the stack knows nothing but what it is given.
TEST(LevelStack, SegmentsComputedAgainTakeTheirWindowsHistory) {
  const StackCase first = random_case({.levels = 7}, 13);
  StackCase second = random_case({.levels = 7}, 14);
  second.shape = first.shape;
  for (const int chunks : {1, 3}) {
    Pipeline pipeline(first.shape, first.lanes, first.steps, 2, Keep::states_of_every(3));
    const StackAnswer answer = pipeline.run(first, chunks);
    const auto last = [&](const at::Tensor& rows) { return rows.narrow(0, (first.steps - 1) * first.lanes, first.lanes).clone(); };
    second.history = {last(answer.result_hidden), last(answer.result_cell)};
    expect_same(pipeline.run(second, chunks), one_call(second), 1e-12);
  }
}

TEST(LevelStack, RefusesOtherChunksInBackwardWhereInputsAreComputedAgain) {
  const StackCase c = random_case({}, 4);
  const ConvolutionKernels kernels{c.input_kernel, c.hidden_kernel, c.bias};
  LevelStack stack(c.shape, {0, 6}, c.lanes, c.steps, Keep::states_of_every(2), at::TensorOptions(at::kDouble));
  stack.begin_window(c.steps, c.history, {}, {});
  stack.embedded({0, c.steps}).copy_(c.embedded);
  for (const Range time : {Range{0, 3}, Range{3, 14}, Range{14, c.steps}}) stack.forward(time, kernels);
  for (std::size_t n = 0; n < c.d_outputs.size(); ++n) stack.d_output(static_cast<std::int64_t>(n)).copy_(c.d_outputs[n]);
  EXPECT_THROW(stack.backward({12, c.steps}, kernels, kernels, {}, {}), InternalError);
}

TEST(LevelStack, GradientsAreAddedToWhatIsThere) {
  const StackCase c = random_case({}, 4);
  const StackAnswer expected = one_call(c);
  LevelStack stack(c.shape, {0, c.shape.levels}, c.lanes, c.steps, Keep::gates, at::TensorOptions(at::kDouble));
  const ConvolutionKernels kernels{c.input_kernel, c.hidden_kernel, c.bias};
  const ConvolutionKernels gradients{at::ones_like(c.input_kernel), at::ones_like(c.hidden_kernel), at::ones_like(c.bias)};
  stack.begin_window(c.steps, c.history, c.hidden_mask, c.output_masks);
  stack.embedded({0, c.steps}).copy_(c.embedded);
  stack.forward({0, c.steps}, kernels);
  for (std::size_t n = 0; n < c.d_outputs.size(); ++n) stack.d_output(static_cast<std::int64_t>(n)).copy_(c.d_outputs[n]);
  stack.backward({0, c.steps}, kernels, gradients, c.d_result_hidden, c.d_result_cell);
  expect_close("W1", gradients.input - 1, expected.d_input_kernel, 1e-12);
  expect_close("W2", gradients.hidden - 1, expected.d_hidden_kernel, 1e-12);
  expect_close("bias", gradients.bias - 1, expected.d_bias, 1e-12);
}

TEST(LevelStack, RefusesWhatCannotBeComputed) {
  const StackCase c = random_case({}, 4);
  const auto message = [](auto&& f) -> std::string {
    try {
      f();
    } catch (const InternalError& error) {
      return error.fact();
    }
    return "no error";
  };
  const at::TensorOptions options(at::kDouble);
  const ConvolutionKernels kernels{c.input_kernel, c.hidden_kernel, c.bias};
  LevelStack stack(c.shape, {0, 6}, c.lanes, 17, Keep::gates, options);
  EXPECT_EQ(message([&] { LevelStack(c.shape, {2, 2}, 1, 1, Keep::gates, options); }), "a stack needs levels of its network");
  EXPECT_EQ(message([&] { LevelStack(c.shape, {5, 7}, 1, 1, Keep::gates, options); }), "a stack needs levels of its network");
  EXPECT_EQ(message([&] { stack.begin_window(18, c.history, {}, {}); }),
            "a window has at least one step and at most as many as the stack was made for");
  EXPECT_EQ(message([&] { stack.begin_window(17, {c.history.hidden, at::Tensor()}, {}, {}); }), "history.cell: expected [3, 7], got nothing");
  EXPECT_EQ(message([&] { stack.begin_window(17, c.history, at::ones({2, 7}), {}); }), "hidden dropout mask: expected [3, 7], got [2, 7]");
  stack.begin_window(17, c.history, {}, {});
  EXPECT_EQ(message([&] { stack.forward({9, 18}, kernels); }), "a chunk lies within its window");
  EXPECT_EQ(message([&] { stack.backward({0, 9}, kernels, kernels, {}, {}); }), "backward begins at the window's end");
}

}  // namespace
}  // namespace trellis
