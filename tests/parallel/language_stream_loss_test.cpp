// What evaluation computes is what training does: the loss of a window, and the history that it leaves.
#include <gtest/gtest.h>

#include "model/language_stream.h"
#include "parallel/language_model.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::expect_close;
using testing_support::fill_weights;
using testing_support::RandomTensors;

TEST(LanguageStream, LossIsThatOfTheLanguageModel) {
  const std::int64_t lanes = 3, steps = 11;
  for (const std::int64_t experts : {0, 3}) {
    TrellisShape shape{.levels = 4, .hidden = 9, .outputs = 5, .embedding = 5, .kernel = 3, .dilations = {1, 2}, .vocabulary = 23, .cutoffs = {}};
    shape.experts = experts;
    if (experts == 0) shape.cutoffs = {5, 14};
    RandomTensors random(80);
    Parameters weights(ParameterLayout(shape), at::kDouble), gradients(weights.layout(), at::kDouble);
    fill_weights(weights, random);
    const WindowTokens window{.steps = steps, .discard = 0, .tokens = random.integers(steps * lanes, 0, 23), .targets = random.integers(steps * lanes, 0, 23)};
    const History start{random.normal({lanes, 9}, 0.5), random.normal({lanes, 9}, 0.5)};

    const MeshGroups alone = lone_mesh_groups();
    LanguageModel model(alone, shape, lanes, steps, {}, at::kDouble);
    History history{start.hidden.clone(), start.cell.clone()};
    const LossSums sums = LossSums::read(model.forward_backward(weights, window, {}, history, gradients));

    LanguageStream stream(shape, lanes, steps, at::kDouble);
    stream.use(weights);
    stream.begin_window(start);
    stream.advance(window.tokens);
    EXPECT_NEAR(stream.negative_log_probabilities(window.targets).sum().item<double>(), sums.loss, 1e-12 * sums.loss);
    expect_close("h", stream.history().hidden, history.hidden, 1e-12);
    expect_close("c", stream.history().cell, history.cell, 1e-12);
  }
}

}  // namespace
}  // namespace trellis
