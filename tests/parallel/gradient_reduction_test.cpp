// A classifier's gradient does not depend on how its sequences are dealt to ranks, and what is summed of a gradient at all. Ranks
// are threads of this process.
#include "parallel/gradient_reduction.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "comm/threads/thread_backend.h"
#include "model/initialize.h"
#include "model/sequence_classifier.h"
#include "plan/shard_range.h"

namespace trellis {
namespace {

constexpr std::int64_t kSteps = 6, kLanes = 7;
constexpr std::uint64_t kSeed = 5, kWindow = 11;

struct Network {
  std::string name;
  TrellisShape shape;
};
void PrintTo(const Network& network, std::ostream* out) { *out << network.name; }

// An adaptive softmax with auxiliary outputs, and others by what they change in it.
Network adaptive(bool weight_norm) {
  TrellisShape shape;
  shape.levels = 4;
  shape.hidden = 12;
  shape.outputs = shape.embedding = 6;
  shape.kernel = 3;
  shape.dilations = {1, 2};
  shape.vocabulary = 40;
  shape.cutoffs = {12, 25};
  shape.weight_norm = weight_norm;
  shape.auxiliary_every = 2;
  return {weight_norm ? "normalised" : "adaptive", shape};
}

Network classifier(bool weight_norm) {
  Network network = adaptive(weight_norm);
  network.name = weight_norm ? "normalised" : "plain";
  network.shape.cutoffs.clear();
  network.shape.auxiliary_every = 0;
  network.shape.embedding = 2;
  network.shape.classifier = true;
  return network;
}

// Numbers in [0, 1), other ones for each seed and index.
double number(std::uint64_t seed, std::int64_t index) {
  return static_cast<double>((static_cast<std::uint64_t>(index) + seed * 7919 + 1) * 2654435761u % 100003) / 100003;
}

// These lanes' columns of a [steps, kLanes] table of labels.
at::Tensor words(std::uint64_t seed, Range lanes, std::int64_t steps, std::int64_t vocabulary) {
  at::Tensor all = at::empty({steps, kLanes}, at::kLong);
  for (std::int64_t i = 0; i < all.numel(); ++i) {
    all.mutable_data_ptr<std::int64_t>()[i] = static_cast<std::int64_t>(number(seed, i) * static_cast<double>(vocabulary));
  }
  return all.narrow(1, lanes.begin, lanes.size()).contiguous().view({-1});
}

// These lanes' rows of a [steps, kLanes, channels] table of values in [-0.5, 0.5).
at::Tensor values(std::uint64_t seed, Range lanes, std::int64_t steps, std::int64_t channels) {
  at::Tensor all = at::empty({steps, kLanes, channels}, at::kDouble);
  for (std::int64_t i = 0; i < all.numel(); ++i) all.mutable_data_ptr<double>()[i] = number(seed, i) - 0.5;
  return all.narrow(1, lanes.begin, lanes.size()).contiguous().view({-1, channels});
}

struct RankResult {
  at::Tensor gradients;
  std::vector<double> sums;  // of losses and, for a classifier, correct ones
};

// What one rank does with its lanes of a batch.
RankResult classifier_step(const Network& network, const ProcessGroup& group, Range lanes, const Parameters& weights, Parameters& gradients) {
  const TrellisShape& shape = network.shape;
  DropoutMasks masks;
  draw_classifier_masks(masks, {.input = 0.2, .hidden = 0.2, .output = 0.3, .weight = 0.2}, shape, kSeed, kWindow, lanes, kSteps, at::kDouble);
  SequenceClassifier model(shape, kSteps, lanes.size(), Keep::gates, at::kDouble);
  const LabelledSequences batch{.lanes = lanes.size(), .input = values(1, lanes, kSteps, shape.embedding),
                                .labels = words(2, lanes, 1, shape.outputs)};
  const ClassificationSums sums = ClassificationSums::read(model.forward_backward(weights, batch, masks, kLanes, gradients));
  reduce_gradients(group, gradients);
  SequenceClassifier::finish_gradients(weights, masks, gradients);
  return {gradients.flat().clone(), {sums.loss, static_cast<double>(sums.correct)}};
}

std::vector<RankResult> step_on(int ranks, const Network& network) {
  std::vector<RankResult> results(static_cast<std::size_t>(ranks));
  run_thread_ranks(ranks, [&](const BackendPtr& backend, int rank) {
    const ParameterLayout layout(network.shape);
    Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
    initialize(weights, {.kernel_deviation = 0.3, .embedding_range = 0.5}, kSeed);
    for (const ParameterInfo& info : layout.parameters()) gradients.view(info.name).fill_(1e30);  // must not count
    results[static_cast<std::size_t>(rank)] = classifier_step(network, ProcessGroup(backend), shard_range(kLanes, ranks, rank), weights, gradients);
  });
  return results;
}

class GradientOverRanks : public testing::TestWithParam<std::tuple<int, Network>> {};

std::string name_of(const testing::TestParamInfo<std::tuple<int, Network>>& info) {
  return std::get<1>(info.param).name + "_on_" + std::to_string(std::get<0>(info.param));
}

TEST_P(GradientOverRanks, SumsToTheGradientOfOneRankHoweverLanesAreDealt) {
  const auto& [ranks, network] = GetParam();
  const std::vector<RankResult> alone = step_on(1, network), together = step_on(ranks, network);

  std::vector<double> sums(alone[0].sums.size(), 0);
  for (const RankResult& result : together) {
    for (std::size_t n = 0; n < sums.size(); ++n) sums[n] += result.sums[n];
    EXPECT_TRUE(at::equal(result.gradients, together[0].gradients)) << "every rank holds the same bits";
  }
  EXPECT_GT(sums[0], 0);
  for (std::size_t n = 0; n < sums.size(); ++n) EXPECT_NEAR(sums[n], alone[0].sums[n], 1e-12 * alone[0].sums[n]) << "sum " << n;

  const ParameterLayout layout(network.shape);
  for (const ParameterInfo& parameter : layout.parameters()) {
    const at::Tensor expected = alone[0].gradients.narrow(0, parameter.offset, parameter.count);
    const at::Tensor actual = together[0].gradients.narrow(0, parameter.offset, parameter.count);
    const double largest = expected.abs().max().item<double>();
    EXPECT_GT(largest, 0) << parameter.name << " takes part";
    EXPECT_LE((actual - expected).abs().max().item<double>(), 1e-12 * largest) << parameter.name;
  }
}

// 7 lanes: uneven on 2, 3 and 4 ranks; on 8 one rank has none.
INSTANTIATE_TEST_SUITE_P(Ranks, GradientOverRanks,
                         testing::Combine(testing::Values(1, 2, 3, 4, 8),
                                          testing::Values(classifier(false), classifier(true))),
                         name_of);

TEST(GradientReductionOfOneRank, LeavesTheGradientAsItIs) {
  const ParameterLayout layout(adaptive(true).shape);
  Parameters gradients(layout, at::kDouble);
  gradients.flat().fill_(2.5);
  run_thread_ranks(1, [&](const BackendPtr& backend, int) { reduce_gradients(ProcessGroup(backend), gradients); });
  EXPECT_TRUE(at::equal(gradients.flat(), at::full_like(gradients.flat(), 2.5)));
}

TEST(GradientReductionOfSeveralRanks, SumsWhatTheRanksHoldOfTheEffectiveKernels) {
  const ParameterLayout layout(adaptive(true).shape);
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
