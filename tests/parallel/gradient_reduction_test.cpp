// A window's gradient does not depend on how its lanes are dealt to ranks. Ranks are threads of this process.
#include "parallel/gradient_reduction.h"

#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "comm/thread_backend.h"
#include "model/initialize.h"
#include "model/language_model.h"
#include "plan/shard_range.h"

namespace trellis {
namespace {

constexpr std::int64_t kSteps = 6, kDiscard = 2, kLanes = 7;
constexpr std::uint64_t kSeed = 5, kWindow = 11;

TrellisShape shape(bool weight_norm) {
  TrellisShape shape;
  shape.levels = 4;
  shape.hidden = 10;
  shape.outputs = shape.embedding = 6;
  shape.kernel = 3;
  shape.dilations = {1, 2};
  shape.vocabulary = 40;
  shape.cutoffs = {12, 25};
  shape.weight_norm = weight_norm;
  shape.auxiliary_every = 2;
  return shape;
}

constexpr DropoutRates kDropout{.embedding = 0.1, .input = 0.2, .hidden = 0.2, .output = 0.3, .weight = 0.2};

// Numbers in [0, 1), other ones for each seed and index.
double number(std::uint64_t seed, std::int64_t index) {
  return static_cast<double>((static_cast<std::uint64_t>(index) + seed * 7919 + 1) * 2654435761u % 100003) / 100003;
}

// These lanes' columns of a [steps, kLanes] table of words.
at::Tensor words(std::uint64_t seed, Range lanes, std::int64_t vocabulary) {
  at::Tensor all = at::empty({kSteps, kLanes}, at::kLong);
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    all.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(number(seed, i) * static_cast<double>(vocabulary));
  }
  return all.narrow(1, lanes.begin, lanes.size()).contiguous().view({-1});
}

at::Tensor history(std::uint64_t seed, Range lanes, std::int64_t hidden) {
  at::Tensor all = at::empty({kLanes, hidden}, at::kDouble);
  for (std::int64_t i = 0; i < all.numel(); ++i) all.mutable_data_ptr<double>()[i] = number(seed, i) - 0.5;
  return all.narrow(0, lanes.begin, lanes.size()).contiguous();
}

struct RankResult {
  at::Tensor gradients;
  LossSums loss;
};

// What one rank of `ranks` does with its lanes in a step, up to the update.
RankResult step_of(const BackendPtr& backend, int rank, int ranks, const TrellisShape& network) {
  const Range lanes = shard_range(kLanes, ranks, rank);
  const ParameterLayout layout(network);
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  initialize(weights, {.kernel_deviation = 0.3, .embedding_range = 0.5}, kSeed);
  for (const ParameterInfo& info : layout.parameters()) gradients.view(info.name).fill_(1e30);  // must not count

  DropoutMasks masks;
  draw_masks(masks, kDropout, network, kSeed, kWindow, lanes, at::kDouble);
  LanguageModel model(network, 0.4, lanes.size(), kSteps, Keep::gates, at::kDouble);
  History left{history(3, lanes, network.hidden), history(4, lanes, network.hidden)};
  const WindowTokens window{.steps = kSteps, .discard = kDiscard, .tokens = words(1, lanes, network.vocabulary),
                            .targets = words(2, lanes, network.vocabulary)};
  const LossSums loss = model.forward_backward(weights, window, masks, (kSteps - kDiscard) * kLanes, left, gradients);
  reduce_gradients(ProcessGroup(backend), gradients);
  LanguageModel::finish_gradients(weights, masks, gradients);
  return {gradients.flat().clone(), loss};
}

std::vector<RankResult> step_on(int ranks, const TrellisShape& network) {
  std::vector<RankResult> results(static_cast<std::size_t>(ranks));
  run_thread_ranks(ranks, [&](const BackendPtr& backend, int rank) {
    results[static_cast<std::size_t>(rank)] = step_of(backend, rank, ranks, network);
  });
  return results;
}

class GradientReduction : public testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(GradientReduction, SumsToTheGradientOfOneRankHoweverLanesAreDealt) {
  const auto [ranks, weight_norm] = GetParam();
  const TrellisShape network = shape(weight_norm);
  const std::vector<RankResult> alone = step_on(1, network), together = step_on(ranks, network);

  LossSums sums;
  for (const RankResult& result : together) {
    sums.loss += result.loss.loss;
    sums.auxiliary += result.loss.auxiliary;
    sums.tokens += result.loss.tokens;
    EXPECT_TRUE(at::equal(result.gradients, together[0].gradients)) << "every rank holds the same bits";
  }
  EXPECT_EQ(sums.tokens, (kSteps - kDiscard) * kLanes);
  EXPECT_NEAR(sums.loss, alone[0].loss.loss, 1e-12 * alone[0].loss.loss);
  EXPECT_NEAR(sums.auxiliary, alone[0].loss.auxiliary, 1e-12 * alone[0].loss.auxiliary);

  const ParameterLayout layout(network);
  for (const ParameterInfo& parameter : layout.parameters()) {
    const at::Tensor expected = alone[0].gradients.narrow(0, parameter.offset, parameter.count);
    const at::Tensor actual = together[0].gradients.narrow(0, parameter.offset, parameter.count);
    const double largest = expected.abs().max().item<double>();
    EXPECT_GT(largest, 0) << parameter.name << " takes part";
    EXPECT_LE((actual - expected).abs().max().item<double>(), 1e-12 * largest) << parameter.name;
  }
}

// 7 lanes: uneven on 2, 3 and 4 ranks; on 8 one rank has none.
INSTANTIATE_TEST_SUITE_P(Ranks, GradientReduction, testing::Combine(testing::Values(1, 2, 3, 4, 8), testing::Bool()));

TEST(GradientReductionOfOneRank, LeavesTheGradientAsItIs) {
  const ParameterLayout layout(shape(true));
  Parameters gradients(layout, at::kDouble);
  gradients.flat().fill_(2.5);
  run_thread_ranks(1, [&](const BackendPtr& backend, int) { reduce_gradients(ProcessGroup(backend), gradients); });
  EXPECT_TRUE(at::equal(gradients.flat(), at::full_like(gradients.flat(), 2.5)));
}

TEST(GradientReductionOfSeveralRanks, SumsWhatTheRanksHoldOfTheEffectiveKernels) {
  const ParameterLayout layout(shape(true));
  std::vector<double> first(3), last(3);
  run_thread_ranks(3, [&](const BackendPtr& backend, int rank) {
    Parameters gradients(layout, at::kDouble);
    gradients.flat().fill_(rank + 1.0);
    reduce_gradients(ProcessGroup(backend), gradients);
    first[static_cast<std::size_t>(rank)] = gradients.flat()[0].item<double>();
    last[static_cast<std::size_t>(rank)] = gradients.flat()[layout.reduced_size() - 1].item<double>();
  });
  EXPECT_EQ(first, std::vector<double>(3, 6.0));
  EXPECT_EQ(last, std::vector<double>(3, 6.0));
}

}  // namespace
}  // namespace trellis
