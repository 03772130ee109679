// The mixture of softmaxes against autograd: tiles, blocks, latent dropout, what it overwrites and what it leaves alone.
#include "model/mixture_of_softmaxes.h"

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
const char* const kParameters[] = {"embedding", "decoder_bias", "prior_weight", "prior_bias", "latent_weight", "latent_bias"};

struct Case {
  TrellisShape shape;
  std::int64_t lanes = 1, steps = 1;
  std::vector<double> scales{0.7, 0.1};  // one a block
  bool masks = false;
  at::ScalarType type = at::kDouble;
  double limit = 1e-11;
};

TrellisShape shape_of(std::int64_t vocabulary, std::int64_t experts, std::int64_t embedding, std::int64_t outputs = 4) {
  return {.levels = 1, .hidden = 6, .outputs = outputs, .embedding = embedding, .dilations = {1}, .vocabulary = vocabulary, .cutoffs = {},
          .experts = experts};
}

// Runs the case on memory full of NaN and compares losses and gradients with autograd's.
void expect_equals_autograd(const Case& c) {
  RandomTensors random(3, c.type);
  const ParameterLayout layout(c.shape);
  Parameters weights(layout, c.type), gradients(layout, c.type), in_double(layout, at::kDouble);
  fill_weights(weights, random);
  in_double.flat().copy_(weights.flat());
  gradients.flat().fill_(kNan);
  const std::int64_t rows = c.lanes * c.steps, O = c.shape.outputs;
  const at::Tensor targets = random.integers(rows, 0, c.shape.vocabulary);
  std::vector<LossRows> blocks;
  for (const double scale : c.scales) {
    const at::Tensor hidden = random.normal({rows, O});
    blocks.push_back(loss_rows(hidden, at::full({rows, O}, kNan, c.type), scale, targets,
                               c.masks ? random.mask({c.lanes, c.shape.experts * c.shape.embedding}, 0.4) : at::Tensor()));
  }
  const auto block_count = static_cast<std::int64_t>(blocks.size());
  MixtureOfSoftmaxes mixture(c.shape, rows * block_count, VocabularyShare::whole(c.shape), c.type);
  const at::Tensor all_losses = mixture.run(weights, blocks, &gradients, Accumulate::overwrite), losses = all_losses.view({block_count, rows});

  const autograd_oracle::Tensors leaves = autograd_oracle::leaves_of(in_double);
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const at::Tensor hidden = blocks[n].hidden.to(at::kDouble).detach().clone().requires_grad_();
    const at::Tensor mask = c.masks ? blocks[n].latent_mask.to(at::kDouble).repeat({c.steps, 1}) : at::Tensor();
    const at::Tensor expected = -autograd_oracle::log_probabilities(c.shape, hidden, leaves, mask).gather(1, targets.view({-1, 1})).view(-1);
    (expected.sum() * c.scales[n]).backward();
    expect_close(fmt::format("losses of block {}", n), losses[static_cast<std::int64_t>(n)], expected.detach(), c.limit);
    expect_close(fmt::format("d_hidden of block {}", n), blocks[n].d_hidden, hidden.grad(), c.limit);
  }
  for (const char* const name : kParameters) expect_close(name, gradients.view(name), leaves.at(name).grad(), c.limit);
  EXPECT_TRUE(gradients.view("W1_v").isnan().all().item<bool>()) << "the mixture has no business in other gradients";

  // the same losses where no gradient is wanted, also on a used object
  for (LossRows& block : blocks) block.d_hidden = at::Tensor();
  EXPECT_TRUE(at::equal(mixture.run(weights, blocks, nullptr, Accumulate::overwrite), all_losses));
}

TEST(MixtureOfSoftmaxes, EqualsAutogradOverCrossedSizes) {
  for (const std::int64_t experts : {1, 2, 5}) {
    for (const std::int64_t embedding : {1, 3, 4}) {
      for (const std::int64_t vocabulary : {2, 23}) {
        for (const std::int64_t lanes : {1, 3}) {
          for (const std::int64_t steps : {1, 7}) {
            for (const bool masks : {false, true}) {
              SCOPED_TRACE(fmt::format("{} experts, {} channels, {} words, {} lanes, {} steps, masks {}", experts, embedding, vocabulary, lanes,
                                       steps, masks));
              const TrellisShape shape = shape_of(vocabulary, experts, embedding);
              expect_equals_autograd({.shape = shape, .lanes = lanes, .steps = steps, .masks = masks});
              expect_equals_autograd({.shape = shape, .lanes = lanes, .steps = steps, .scales = {1, 0, 2}, .masks = masks, .type = at::kFloat, .limit = 1e-5});
            }
          }
        }
      }
    }
  }
}

TEST(MixtureOfSoftmaxes, EqualsAutogradWhereRowsAreCutIntoManyTiles) {
  // 16 MiB hold the logits of 6 rows of so many words and experts in float64, of 13 in float32; lanes do not divide them
  const TrellisShape shape = shape_of(100'003, 3, 5);
  expect_equals_autograd({.shape = shape, .lanes = 5, .steps = 4, .masks = true});
  // sums over so many words in float32, LibTorch's as well, are off by this much
  expect_equals_autograd({.shape = shape, .lanes = 5, .steps = 4, .masks = true, .type = at::kFloat, .limit = 5e-5});
}

TEST(MixtureOfSoftmaxes, OfOneExpertIsASoftmaxOfItsLatentVector) {
  RandomTensors random(8);
  const TrellisShape shape = shape_of(23, 1, 3);
  Parameters weights(ParameterLayout(shape), at::kDouble);
  fill_weights(weights, random);
  const at::Tensor hidden = random.normal({5, 4});
  const at::Tensor latent = at::addmm(weights.view("latent_bias"), hidden, weights.view("latent_weight").t()).tanh();
  const at::Tensor expected = at::addmm(weights.view("decoder_bias"), latent, weights.view("embedding").t()).log_softmax(1);
  expect_close("log p", MixtureOfSoftmaxes(shape, 5, VocabularyShare::whole(shape), at::kDouble).log_probabilities(weights, hidden), expected, 1e-13);
}

TEST(MixtureOfSoftmaxes, ProbabilitiesOfAllWordsAreAutogradsAndAddUpToOne) {
  RandomTensors random(9);
  for (const std::int64_t rows : {1, 4, 9}) {
    const TrellisShape shape = shape_of(300'007, 2, 3);  // 3 rows a tile
    Parameters weights(ParameterLayout(shape), at::kDouble);
    fill_weights(weights, random);
    const at::Tensor hidden = random.normal({rows, 4});
    const at::Tensor actual = MixtureOfSoftmaxes(shape, rows, VocabularyShare::whole(shape), at::kDouble).log_probabilities(weights, hidden);
    expect_close("log p", actual, autograd_oracle::log_probabilities(shape, hidden, autograd_oracle::leaves_of(weights)).detach(), 1e-12);
    EXPECT_LT((actual.exp().sum(1) - 1).abs().max().item<double>(), 1e-11);
  }
}

TEST(MixtureOfSoftmaxes, WithoutRowsEveryGradientIsZero) {
  const TrellisShape shape = shape_of(30, 3, 5);
  const ParameterLayout layout(shape);
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  gradients.flat().fill_(kNan);
  const at::Tensor none = at::empty({0, 4}, at::kDouble);
  const LossRows block = loss_rows(none, none, 1, at::empty({0}, at::kLong));
  MixtureOfSoftmaxes mixture(shape, 0, VocabularyShare::whole(shape), at::kDouble);
  EXPECT_EQ(mixture.run(weights, {block, block}, &gradients, Accumulate::overwrite).numel(), 0);
  for (const char* const name : kParameters) EXPECT_TRUE(gradients.view(name).eq(0).all().item<bool>()) << name;
}

TEST(MixtureOfSoftmaxes, StaysFiniteForLogitsThatOverflowAnExponential) {
  RandomTensors random(6, at::kFloat);
  const TrellisShape shape = shape_of(30, 3, 5);
  const ParameterLayout layout(shape);
  Parameters weights(layout, at::kFloat), gradients(layout, at::kFloat);
  fill_weights(weights, random);
  for (const char* const name : {"embedding", "prior_weight"}) weights.view(name).mul_(3000);
  const at::Tensor hidden = random.normal({9, 4}), d_hidden = at::empty({9, 4}, at::kFloat);
  const at::Tensor losses = MixtureOfSoftmaxes(shape, 9, VocabularyShare::whole(shape), at::kFloat)
                                .run(weights, {loss_rows(hidden, d_hidden, 1, random.integers(9, 0, 30))}, &gradients, Accumulate::overwrite);
  EXPECT_GT(losses.max().item<double>(), 500);
  EXPECT_TRUE(losses.isfinite().all().item<bool>());
  EXPECT_TRUE(d_hidden.isfinite().all().item<bool>());
  EXPECT_TRUE(gradients.flat().isfinite().all().item<bool>());
}

TEST(MixtureOfSoftmaxes, RefusesTargetsOutsideTheVocabulary) {
  const TrellisShape shape = shape_of(30, 2, 5);
  Parameters weights(ParameterLayout(shape), at::kDouble);
  MixtureOfSoftmaxes mixture(shape, 1, VocabularyShare::whole(shape), at::kDouble);
  for (const std::int64_t word : {-1, 30}) {
    try {
      mixture.run(weights, {loss_rows(at::zeros({1, 4}, at::kDouble), {}, 1, at::full({1}, word, at::kLong))}, nullptr, Accumulate::overwrite);
      ADD_FAILURE() << word << " was taken";
    } catch (const InternalError& error) {
      EXPECT_EQ(error.fact(), "targets lie within the vocabulary");
    }
  }
}

}  // namespace
}  // namespace trellis
