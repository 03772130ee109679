// Theorem 1 of Bai, Kolter and Koltun 2019, on the product's own levels: a trellis network is a truncated stacked RNN, and
// over windows with history the RNN itself. The other side is LibTorch's LSTM.
#include "model/lstm_equivalent.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <algorithm>

#include "base/errors.h"
#include "model/level_stack.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_support::RandomTensors;
using testing_support::scaled_error;

constexpr double kEqual = 1e-13, kDifferent = 1e-4;
constexpr std::int64_t kLanes = 3;

enum class Bias { none, lowest_layer, all };

// Weights as nn.LSTM has them.
struct Lstm {
  Lstm(LstmSize sizes, Bias biased, RandomTensors& random) : size(sizes) {
    for (std::int64_t l = 0; l < size.layers; ++l) {
      const std::int64_t rows = 4 * size.width, below = l == 0 ? size.input : size.width;
      parameters.push_back(random.normal({rows, below}, 0.6));
      parameters.push_back(random.normal({rows, size.width}, 0.6));
      const double scale = biased == Bias::all || (biased == Bias::lowest_layer && l == 0) ? 0.6 : 0;
      for (int n = 0; n < 2; ++n) parameters.push_back(random.normal({rows}, scale));
    }
  }
  std::vector<LstmLayer> layers() const {
    std::vector<LstmLayer> result;
    for (std::size_t n = 0; n < parameters.size(); n += 4) result.push_back({parameters[n], parameters[n + 1], parameters[n + 2] + parameters[n + 3]});
    return result;
  }
  at::Tensor zero_state() const { return at::zeros({size.layers, kLanes, size.width}, at::kDouble); }
  // input [steps, lanes, p]; output [steps, lanes, d], states [L, lanes, d]
  std::tuple<at::Tensor, at::Tensor, at::Tensor> run(const at::Tensor& input, const at::Tensor& hidden, const at::Tensor& cell) const {
    return at::lstm(input, {hidden, cell}, parameters, true, size.layers, 0.0, false, false, false);
  }
  // At every step a fresh LSTM on the last `reach` inputs.
  at::Tensor truncated(const at::Tensor& input, std::int64_t reach) const {
    std::vector<at::Tensor> outputs;
    for (std::int64_t t = 0; t < input.size(0); ++t) {
      const std::int64_t first = std::max<std::int64_t>(0, t + 1 - reach);
      outputs.push_back(std::get<0>(run(input.narrow(0, first, t + 1 - first), zero_state(), zero_state()))[-1]);
    }
    return at::stack(outputs);
  }

  LstmSize size;
  std::vector<at::Tensor> parameters;
};

// The network's history holds the layers' states side by side.
at::Tensor side_by_side(const at::Tensor& states) { return states.transpose(0, 1).reshape({kLanes, -1}); }

TrellisShape shape_for(const LstmSize& size, std::int64_t levels, std::int64_t groups, std::int64_t kernel) {
  TrellisShape shape;
  shape.levels = levels;
  shape.hidden = size.layers * size.width;
  shape.outputs = size.width;
  shape.embedding = size.input;
  shape.kernel = kernel;
  shape.weight_norm = false;
  shape.groups = groups;
  return shape;
}

struct Answer {
  at::Tensor output;  // [steps, lanes, d]
  History history;    // of the last step
};

// One window of a network of that many levels with the LSTM's weights.
Answer run_network(const Lstm& lstm, std::int64_t levels, std::int64_t groups, std::int64_t kernel, const at::Tensor& input, const History& history) {
  const TrellisShape shape = shape_for(lstm.size, levels, groups, kernel);
  Parameters weights(ParameterLayout(shape), at::kDouble);
  assign_lstm(lstm.layers(), weights);
  EffectiveKernels kernels;
  kernels.compute(weights, {});
  const std::int64_t steps = input.size(0);
  const Range window{0, steps};
  LevelStack stack(shape, {0, levels}, kLanes, steps, Keep::states, at::kDouble);
  stack.begin_window(steps, history, {}, {});
  stack.embedded(window).copy_(input.reshape({steps * kLanes, -1}));
  stack.forward(window, kernels.kernels());
  const Range last{steps - 1, steps};
  return {stack.output(0).view({steps, kLanes, -1}).clone(), {stack.result_hidden(last).clone(), stack.result_cell(last).clone()}};
}

struct Case {
  LstmSize size;
  bool grouped;
  std::int64_t kernel;
  std::int64_t groups() const { return grouped ? size.layers : 0; }
};

class EqualsAnLstm : public testing::TestWithParam<Case> {};

TEST_P(EqualsAnLstm, OnItsLastInputsIfOnlyTheLowestLayerHasABias) {
  const auto& [size, grouped, kernel] = GetParam();
  constexpr std::int64_t kReach = 6, kSteps = 20;
  for (const Bias bias : {Bias::none, Bias::lowest_layer}) {
    RandomTensors random(static_cast<std::uint64_t>(size.layers));
    const Lstm lstm(size, bias, random);
    const at::Tensor input = random.normal({kSteps, kLanes, size.input});
    const History none{at::zeros({kLanes, size.layers * size.width}, at::kDouble), at::zeros({kLanes, size.layers * size.width}, at::kDouble)};
    const at::Tensor expected = lstm.truncated(input, kReach);
    const auto error = [&](std::int64_t levels) {
      return scaled_error(run_network(lstm, levels, GetParam().groups(), kernel, input, none).output, expected);
    };
    EXPECT_LE(error(kReach + size.layers - 1), kEqual);
    EXPECT_GE(error(kReach + size.layers - 2), kDifferent);
    EXPECT_GE(error(kReach + size.layers), kDifferent);
  }
}

TEST_P(EqualsAnLstm, OverWindowsThatHandOnTheirHistoryWhateverItsBiases) {
  const auto& [size, grouped, kernel] = GetParam();
  constexpr std::int64_t kWindow = 6, kSteps = 20;  // the last window is short
  RandomTensors random(100 + static_cast<std::uint64_t>(size.layers));
  const Lstm lstm(size, Bias::all, random);
  const at::Tensor input = random.normal({kSteps, kLanes, size.input});
  const at::Tensor hidden = random.normal({size.layers, kLanes, size.width}), cell = random.normal({size.layers, kLanes, size.width});
  const auto [output, last_hidden, last_cell] = lstm.run(input, hidden, cell);

  const auto errors = [&, &expected_output = output, &expected_hidden = last_hidden, &expected_cell = last_cell, &layers = size,
                       taps = kernel](std::int64_t levels) {
    History history{side_by_side(hidden), side_by_side(cell)};
    std::vector<at::Tensor> outputs;
    for (std::int64_t t = 0; t < kSteps; t += kWindow) {
      const Answer answer = run_network(lstm, levels, GetParam().groups(), taps, input.narrow(0, t, std::min(kWindow, kSteps - t)), history);
      outputs.push_back(answer.output), history = answer.history;
    }
    EXPECT_EQ(history.hidden.size(1), layers.layers * layers.width);
    return std::vector<double>{scaled_error(at::cat(outputs), expected_output), scaled_error(history.hidden, side_by_side(expected_hidden)),
                               scaled_error(history.cell, side_by_side(expected_cell))};
  };
  EXPECT_THAT(errors(kWindow + size.layers - 1), testing::Each(testing::Le(kEqual)));
  EXPECT_THAT(errors(kWindow + size.layers + 3), testing::Each(testing::Le(kEqual)));  // levels to spare do no harm
  EXPECT_GE(errors(kWindow + size.layers - 2)[0], kDifferent);
}

INSTANTIATE_TEST_SUITE_P(Sizes, EqualsAnLstm,
                         testing::Values(Case{{1, 5, 3}, true, 2}, Case{{1, 5, 3}, false, 3}, Case{{2, 4, 4}, true, 2}, Case{{2, 4, 3}, false, 2},
                                         Case{{3, 4, 5}, true, 3}, Case{{3, 4, 5}, false, 2}, Case{{4, 3, 2}, true, 2}));

// LSTM gates make no Elman network (its state is tanh of a sum, not a gate times tanh of a cell), so the activation of this
// trellis is the reference's own; its kernels have gone through the product's mixed group convolution.
TEST(EqualsAnElmanNetwork, OfTanhLayers) {
  constexpr std::int64_t kReach = 5, kSteps = 17, kWidth = 4, kInput = 3;
  for (const std::int64_t layers : {1, 2, 3}) {
    RandomTensors random(static_cast<std::uint64_t>(layers));
    const std::int64_t H = layers * kWidth;
    const ParameterLayout layout(shape_for({layers, kWidth, kInput}, 1, layers, 2));
    at::Tensor hidden_kernel = at::zeros({4, layers, kWidth, layers, kWidth, 2}, at::kDouble), input_kernel = at::zeros({layers, kWidth, kInput}, at::kDouble);
    at::Tensor bias = at::zeros({layers, kWidth}, at::kDouble);
    std::vector<at::Tensor> parameters;
    for (std::int64_t l = 0; l < layers; ++l) {
      const at::Tensor of_input = random.normal({kWidth, l == 0 ? kInput : kWidth}, 0.8), of_hidden = random.normal({kWidth, kWidth}, 0.8);
      const at::Tensor b = random.normal({kWidth}, l == 0 ? 0.5 : 0);
      parameters.insert(parameters.end(), {of_input, of_hidden, b, at::zeros_like(b)});
      const at::Tensor rows = hidden_kernel.select(0, 0).select(0, l);  // [d, L, d, 2] of the first gate
      rows.select(1, l).select(2, 0).copy_(of_hidden);
      (l == 0 ? input_kernel.select(0, 0) : rows.select(1, l - 1).select(2, 1)).copy_(of_input);
      bias.select(0, l).copy_(b);
    }
    const ParameterInfo& info = layout.find("W2");
    const at::Tensor kept = layout.published(info, layout.in_memory(info, hidden_kernel.view(info.published))).narrow(0, 0, H);
    const at::Tensor earlier = kept.select(2, 0), now = kept.select(2, 1), of_input = input_kernel.view({H, kInput});

    const at::Tensor input = random.normal({kSteps, kLanes, kInput}), zeros = at::zeros({layers, kLanes, kWidth}, at::kDouble);
    std::vector<at::Tensor> expected;
    for (std::int64_t t = 0; t < kSteps; ++t) {
      const std::int64_t first = std::max<std::int64_t>(0, t + 1 - kReach);
      expected.push_back(std::get<0>(at::rnn_tanh(input.narrow(0, first, t + 1 - first), zeros, parameters, true, layers, 0.0, false, false, false))[-1]);
    }
    // z of the level above at step t is tanh(W2 of z below at t - 1 and t, W1 x at t, b)
    const auto error = [&](std::int64_t levels) {
      at::Tensor z = at::zeros({kSteps, kLanes, H}, at::kDouble);
      for (std::int64_t level = 0; level < levels; ++level) {
        const at::Tensor before = at::cat({at::zeros({1, kLanes, H}, at::kDouble), z.narrow(0, 0, kSteps - 1)});
        z = (before.matmul(earlier.t()) + z.matmul(now.t()) + input.matmul(of_input.t()) + bias.view({H})).tanh();
      }
      return scaled_error(z.narrow(2, H - kWidth, kWidth), at::stack(expected));
    };
    EXPECT_LE(error(kReach + layers - 1), kEqual) << layers;
    EXPECT_GE(error(kReach + layers - 2), kDifferent) << layers;
    EXPECT_GE(error(kReach + layers), kDifferent) << layers;
  }
}

TEST(ExpectLstmShape, NamesEverySettingThatDoesNotFitAndTheValueItMustHave) {
  const LstmSize size{3, 4, 4};
  expect_lstm_shape(shape_for(size, 8, 3, 2), size, 6);
  expect_lstm_shape(shape_for(size, 9, 0, 5), size, 6);
  TrellisShape wrong = shape_for(size, 7, 6, 2);
  wrong.hidden = 24, wrong.outputs = wrong.embedding = 5, wrong.weight_norm = true, wrong.injection_every = 2, wrong.dilations = {1, 2};
  try {
    expect_lstm_shape(wrong, size, 6);
    FAIL() << "accepted";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.fact(), AllOf(HasSubstr("3 layer(s) of width 4 with inputs of width 4"), HasSubstr("model.hidden is 24, but must be 12"),
                                    HasSubstr("model.dilations is 1,2, but must be 1"), HasSubstr("model.levels is 7, but must be at least 8")));
    EXPECT_EQ(error.fix(),
              "set model.hidden=12 model.outputs=4 model.embedding=4 model.weight_norm=false model.injection_every=1 model.dilations=1 model.groups=3 "
              "model.levels=8");
  }
}

}  // namespace
}  // namespace trellis
