// Gradients of several windows of one step add up to that of the mean over all their scored steps.
#include <gtest/gtest.h>

#include <vector>

#include "parallel/language_model.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::expect_close;
using testing_support::every_mask;
using testing_support::fill_weights;
using testing_support::RandomTensors;

TEST(Accumulation, IsTheMeanOverTheScoredStepsOfAllWindows) {
  for (const std::int64_t experts : {0, 2}) {
    TrellisShape shape{.levels = 4, .hidden = 9, .outputs = 5, .embedding = 5, .kernel = 3, .dilations = {1, 2}, .vocabulary = 23, .cutoffs = {}};
    shape.experts = experts;
    shape.auxiliary_every = 2;
    if (experts == 0) shape.cutoffs = {5, 14};
    const std::int64_t lanes = 3;
    const std::vector<std::int64_t> steps{7, 7, 4}, discard{0, 2, 3};
    RandomTensors random(81);
    Parameters weights(ParameterLayout(shape), at::kDouble), gradients(weights.layout(), at::kDouble);
    fill_weights(weights, random);
    const DropoutMasks masks = every_mask(shape, lanes, 0.3, random);
    std::vector<WindowTokens> windows;
    for (std::size_t n = 0; n < steps.size(); ++n) {
      windows.push_back({.steps = steps[n], .discard = discard[n], .tokens = random.integers(steps[n] * lanes, 0, 23),
                         .targets = random.integers(steps[n] * lanes, 0, 23)});
    }
    const History start{random.normal({lanes, 9}, 0.5), random.normal({lanes, 9}, 0.5)};
    const ScoredSteps of_all{.steps = 13, .lanes = lanes, .outputs = shape.outputs, .windows = 3};

    const MeshGroups alone = lone_mesh_groups();
    LanguageModel model(alone, shape, lanes, 7, {.objective = {.auxiliary_weight = 0.4}}, at::kDouble);
    at::Tensor expected = at::zeros_like(gradients.flat());
    History history{start.hidden.clone(), start.cell.clone()};
    double loss = 0;
    for (const WindowTokens& window : windows) {
      loss += LossSums::read(model.forward_backward(weights, window, masks, history, gradients)).loss;
      expected += gradients.flat() * static_cast<double>(window.steps - window.discard) / 13;
    }
    const History left{history.hidden.clone(), history.cell.clone()};

    history = {start.hidden.clone(), start.cell.clone()};
    for (const ParameterInfo& info : weights.layout().parameters()) gradients.view(info.name).fill_(1e30);  // must not count
    double sum = 0;
    for (std::size_t n = 0; n < windows.size(); ++n) {
      sum += LossSums::read(model.forward_backward(weights, windows[n], masks, history, gradients, {of_all, n == 0, n + 1 == windows.size()})).loss;
    }
    EXPECT_NEAR(sum, loss, 1e-12 * loss);
    expect_close("h", history.hidden, left.hidden, 1e-13);
    for (const ParameterInfo& info : weights.layout().parameters()) {
      expect_close(info.name, gradients.flat().narrow(0, info.offset, info.count), expected.narrow(0, info.offset, info.count), 1e-12);
    }
  }
}

}  // namespace
}  // namespace trellis
