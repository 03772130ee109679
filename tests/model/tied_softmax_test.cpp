// The tied softmax against autograd's log_softmax: many tiles, empty clusters, what it overwrites and what it leaves alone.
#include "model/tied_softmax.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "base/errors.h"
#include "tests/model/autograd_oracle_helpers.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::expect_close;
using testing_support::fill_weights;
using testing_support::loss_rows;
using testing_support::RandomTensors;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Case {
  TrellisShape shape;
  std::vector<double> scales{0.7, 0.1};  // one a block
  at::Tensor targets;
  at::ScalarType type = at::kDouble;
  double limit = 1e-11;
};

TrellisShape shape_of(std::int64_t vocabulary, std::vector<std::int64_t> cutoffs) {
  return {.levels = 1, .hidden = 6, .outputs = 4, .embedding = 4, .dilations = {1}, .vocabulary = vocabulary, .cutoffs = std::move(cutoffs)};
}

// Runs the case on memory full of NaN and compares losses and gradients with autograd's.
void expect_equals_autograd(const Case& c) {
  RandomTensors random(3, c.type);
  const ParameterLayout layout(c.shape);
  Parameters weights(layout, c.type), gradients(layout, c.type);
  fill_weights(weights, random);
  gradients.flat().fill_(kNan);
  const std::int64_t rows = c.targets.size(0);
  std::vector<LossRows> blocks;
  for (const double scale : c.scales) {
    blocks.push_back(loss_rows(random.normal({rows, c.shape.outputs}), at::full({rows, c.shape.outputs}, kNan, c.type), scale, c.targets));
  }
  const auto block_count = static_cast<std::int64_t>(blocks.size());
  TiedSoftmax softmax(c.shape, rows * block_count, VocabularyShare::whole(c.shape), c.type);
  const at::Tensor all_losses = softmax.run(weights, blocks, &gradients, Accumulate::overwrite), losses = all_losses.view({block_count, rows});

  Parameters in_double(layout, at::kDouble);
  in_double.flat().copy_(weights.flat());
  const autograd_oracle::Tensors leaves = autograd_oracle::leaves_of(in_double);
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const at::Tensor hidden = blocks[n].hidden.to(at::kDouble).detach().clone().requires_grad_();
    const at::Tensor expected = -autograd_oracle::log_probabilities(c.shape, hidden, leaves).gather(1, c.targets.view({-1, 1})).view(-1);
    (expected.sum() * c.scales[n]).backward();
    expect_close(fmt::format("losses of block {}", n), losses[static_cast<std::int64_t>(n)], expected.detach(), c.limit);
    expect_close(fmt::format("d_hidden of block {}", n), blocks[n].d_hidden, hidden.grad(), c.limit);
  }
  for (const char* const name : {"embedding", "decoder_bias", "cluster_weight", "cluster_bias"}) {
    if (layout.contains(name)) expect_close(name, gradients.view(name), leaves.at(name).grad(), c.limit);
  }
  EXPECT_TRUE(gradients.view("W1_v").isnan().all().item<bool>()) << "the softmax has no business in other gradients";

  // the same losses where no gradient is wanted, also on a used object
  for (LossRows& block : blocks) block.d_hidden = at::Tensor();
  EXPECT_TRUE(at::equal(softmax.run(weights, blocks, nullptr, Accumulate::overwrite), all_losses));
}

TEST(TiedSoftmax, EqualsAutogradWhereRowsAreCutIntoManyTiles) {
  // 16 MiB hold few rows of so many words: tiles of 16 rows in float64, of 24 in float32
  RandomTensors random(1);
  expect_equals_autograd({.shape = shape_of(170'000, {}), .targets = random.integers(53, 0, 170'000)});
  // sums over so many words in float32, LibTorch's as well, are off by this much
  expect_equals_autograd({.shape = shape_of(170'000, {}), .targets = random.integers(53, 0, 170'000), .type = at::kFloat, .limit = 5e-5});
}

TEST(TiedSoftmax, EqualsAutogradWhereRowsOfHeadAndTailsAreCutIntoManyTiles) {
  RandomTensors random(2);
  const at::Tensor targets = at::cat({random.integers(30, 0, 140'000), random.integers(41, 140'000, 290'000), random.integers(3, 290'000, 290'007)});
  expect_equals_autograd({.shape = shape_of(290'007, {140'000, 290'000}), .targets = targets});
}

TEST(TiedSoftmax, EqualsAutogradForAnyCutoffsAndTargets) {
  RandomTensors random(4);
  const std::vector<std::vector<std::int64_t>> cutoffs{{}, {1}, {10}, {29}, {5, 6}, {1, 2, 3, 4}, {5, 10, 20}};
  const std::vector<at::Tensor> targets{
      random.integers(17, 0, 30),           // anywhere
      random.integers(17, 0, 1),            // head only
      random.integers(17, 29, 30),          // last word only
      at::cat({random.integers(5, 0, 5), random.integers(5, 20, 30)}),  // clusters between without a row
      random.integers(1, 5, 6)};
  for (const auto& cutoff : cutoffs) {
    for (std::size_t n = 0; n < targets.size(); ++n) {
      for (const std::vector<double>& scales : {std::vector<double>{1}, std::vector<double>{0.3, 0, 2}}) {
        SCOPED_TRACE(fmt::format("{} cutoffs, targets {}, {} blocks", cutoff.size(), n, scales.size()));
        expect_equals_autograd({.shape = shape_of(30, cutoff), .scales = scales, .targets = targets[n]});
      }
    }
  }
}

TEST(TiedSoftmax, WithoutRowsEveryGradientIsZero) {
  for (const std::vector<std::int64_t>& cutoffs : std::vector<std::vector<std::int64_t>>{{}, {5, 9}}) {
    const TrellisShape shape = shape_of(30, cutoffs);
    const ParameterLayout layout(shape);
    Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
    gradients.flat().fill_(kNan);
    TiedSoftmax softmax(shape, 0, VocabularyShare::whole(shape), at::kDouble);
    const at::Tensor none = at::empty({0, 4}, at::kDouble);
    const LossRows block = loss_rows(none, none, 1, at::empty({0}, at::kLong));
    EXPECT_EQ(softmax.run(weights, {block, block}, &gradients, Accumulate::overwrite).numel(), 0);
    for (const char* const name : {"embedding", "decoder_bias", "cluster_weight", "cluster_bias"}) {
      if (!layout.contains(name)) continue;
      EXPECT_TRUE(gradients.view(name).eq(0).all().item<bool>()) << name;
    }
  }
}

TEST(TiedSoftmax, StaysFiniteForLogitsThatOverflowAnExponential) {
  const TrellisShape shape = shape_of(30, {10, 20});
  RandomTensors random(6, at::kFloat);
  const ParameterLayout layout(shape);
  Parameters weights(layout, at::kFloat), gradients(layout, at::kFloat);
  fill_weights(weights, random);
  const at::Tensor hidden = random.normal({9, 4}, 3000), d_hidden = at::empty({9, 4}, at::kFloat);
  TiedSoftmax softmax(shape, 9, VocabularyShare::whole(shape), at::kFloat);
  const at::Tensor losses = softmax.run(weights, {loss_rows(hidden, d_hidden, 1, random.integers(9, 0, 30))}, &gradients, Accumulate::overwrite);
  EXPECT_TRUE(losses.isfinite().all().item<bool>());
  EXPECT_TRUE(d_hidden.isfinite().all().item<bool>());
  EXPECT_TRUE(gradients.flat().isfinite().all().item<bool>());
}

TEST(TiedSoftmax, RefusesTargetsOutsideTheVocabulary) {
  const TrellisShape shape = shape_of(30, {});
  Parameters weights(ParameterLayout(shape), at::kDouble);
  TiedSoftmax softmax(shape, 1, VocabularyShare::whole(shape), at::kDouble);
  for (const std::int64_t word : {-1, 30}) {
    try {
      softmax.run(weights, {loss_rows(at::zeros({1, 4}, at::kDouble), {}, 1, at::full({1}, word, at::kLong))}, nullptr, Accumulate::overwrite);
      ADD_FAILURE() << word << " was taken";
    } catch (const InternalError& error) {
      EXPECT_EQ(error.fact(), "targets lie within the vocabulary");
    }
  }
}

}  // namespace
}  // namespace trellis
