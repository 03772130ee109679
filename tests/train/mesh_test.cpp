// The mesh never changes the run: losses and weights after ten steps are those of one rank, whatever the replicas, stages,
// chunks, lane groups and the ranks that share a vocabulary. Ranks are threads of this process; float64, every dropout on.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "comm/rank_sums.h"
#include "comm/threads/thread_backend.h"
#include "model/initialize.h"
#include "optimizer/optimizer.h"
#include "parallel/language_model.h"

namespace trellis {
namespace {

constexpr std::uint64_t kSeed = 9;
constexpr std::int64_t kSteps = 10;

struct Network {
  std::string name;
  TrellisShape shape;
  Objective objective{.auxiliary_weight = 0.3};
  std::int64_t lanes = 5, window = 7, discard = 0;
  DropoutRates rates{.embedding = 0.2, .input = 0.2, .hidden = 0.2, .output = 0.3, .weight = 0.2};
  Keep keep = Keep::gates;
  OptimizerRule rule{.kind = OptimizerRule::Kind::adam, .weight_decay = 0.01, .clip = 0.25};
};

Network adaptive(std::int64_t kernel, std::vector<std::int64_t> dilations, std::int64_t discard) {
  Network network;
  network.shape = {.levels = 5, .hidden = 9, .outputs = 5, .embedding = 5, .kernel = kernel, .dilations = dilations, .vocabulary = 53, .cutoffs = {11, 30}};
  network.shape.auxiliary_every = 2;
  network.discard = discard;
  network.name = fmt::format("kernel{}_{}_{}", kernel, dilations.size() == 1 ? "plain" : "dilated", discard > 0 ? "discarding" : "handing_on");
  return network;
}

struct Layout {
  Mesh mesh;
  std::int64_t chunks = 1, lane_groups = 1;
};

// Loss of every step, and weights after the last, whole.
struct Result {
  std::vector<double> losses, norms;
  std::vector<std::pair<std::string, at::Tensor>> weights;
  at::Tensor hidden;  // history of all lanes
};

// Tokens and targets of a window: about one word in three is frequent.
at::Tensor words(const Network& network, std::int64_t step, std::uint64_t purpose, Range lanes) {
  const at::Tensor all = at::empty({network.window, network.lanes}, at::kLong);
  const RandomStream stream{.seed = kSeed + purpose, .window = static_cast<std::uint64_t>(step)};
  for (std::int64_t n = 0; n < all.numel(); ++n) {
    const double u = stream.uniform(static_cast<std::uint64_t>(n));
    all.mutable_data_ptr<std::int64_t>()[n] = static_cast<std::int64_t>(u * u * static_cast<double>(network.shape.vocabulary));
  }
  return all.narrow(1, lanes.begin, lanes.size()).contiguous().view({-1});
}

at::Tensor whole(const MeshGroups& groups, const Parameters& weights, const ParameterInfo& info) {
  if (!info.striped) return weights.published(info.name).clone();
  const at::Tensor all = at::zeros(info.published, at::kDouble);
  for (const RowPiece& piece : weights.layout().pieces(info)) {
    all.narrow(0, piece.whole.begin, piece.whole.size()).copy_(weights.view(info.name).narrow(0, piece.memory.begin, piece.memory.size()));
  }
  groups.vocabulary.all_reduce(all, Reduction::sum);
  return all;
}

Result train(const Network& network, const MeshGroups& groups, const Layout& layout) {
  LanguageModel model(groups, network.shape, network.lanes, network.window,
                      {.objective = network.objective, .keep = network.keep, .chunks = layout.chunks, .lane_groups = layout.lane_groups}, at::kDouble);
  Parameters weights(model.layout(), at::kDouble), gradients(model.layout(), at::kDouble);
  initialize(weights, {.kernel_deviation = 0.3, .embedding_range = 0.5}, kSeed);
  for (const ParameterInfo& info : weights.layout().parameters()) gradients.view(info.name).fill_(1e30);  // must not count
  Optimizer optimizer(network.rule, model.layout(), at::kDouble, &groups.vocabulary);
  History history = model.zero_history();
  DropoutMasks masks;
  Result result;
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const std::int64_t steps = step == kSteps / 2 ? 3 : network.window;  // one short window
    const auto of_window = [&](std::uint64_t purpose) {
      return words(network, step, purpose, model.given_lanes()).narrow(0, 0, steps * model.given_lanes().size());
    };
    if (network.discard > 0) history.hidden.zero_(), history.cell.zero_();
    draw_masks(masks, network.rates, network.shape, kSeed, static_cast<std::uint64_t>(step), model.lanes(), at::kDouble, model.given_lanes());
    const WindowTokens window{.steps = steps, .discard = std::min(network.discard, steps - 1), .tokens = of_window(1), .targets = of_window(2)};
    const LossSums sums = LossSums::read(sum_over_ranks(&groups.world, model.forward_backward(weights, window, masks, history, gradients)));
    result.losses.push_back(total(network.objective, sums, {steps - window.discard, network.lanes, network.shape.outputs}));
    const at::Tensor norm = global_norm(gradients, &groups.vocabulary);
    result.norms.push_back(norm.item<double>());
    optimizer.update(weights, gradients, clipping_factor(norm, network.rule.clip), 0.01, step + 1);
  }
  for (const ParameterInfo& info : weights.layout().parameters()) result.weights.emplace_back(info.name, whole(groups, weights, info));
  result.hidden = at::zeros({network.lanes, network.shape.hidden}, at::kDouble);
  if (groups.replica.rank() == 0) result.hidden.narrow(0, model.lanes().begin, model.lanes().size()).copy_(history.hidden);
  groups.world.all_reduce(result.hidden, Reduction::sum);
  return result;
}

std::vector<Result> train_on(const Network& network, const Layout& layout) {
  std::vector<Result> results(static_cast<std::size_t>(layout.mesh.ranks()));
  run_thread_mesh(layout.mesh.ranks(), [&](const ProcessGroup& world, const SplitGroup& split, int rank) {
    results[static_cast<std::size_t>(rank)] = train(network, make_mesh_groups(layout.mesh, world, split), layout);
  });
  return results;
}

double error_of(const at::Tensor& actual, const at::Tensor& expected) {
  return (actual - expected).abs().max().item<double>() / expected.abs().max().item<double>();
}

void expect_same(const Result& actual, const Result& expected) {
  for (std::size_t step = 0; step < expected.losses.size(); ++step) {
    EXPECT_NEAR(actual.losses[step], expected.losses[step], 1e-10 * expected.losses[step]) << "loss of step " << step;
    EXPECT_NEAR(actual.norms[step], expected.norms[step], 1e-10 * expected.norms[step]) << "gradient norm of step " << step;
  }
  for (std::size_t n = 0; n < expected.weights.size(); ++n) {
    EXPECT_LT(error_of(actual.weights[n].second, expected.weights[n].second), 1e-10) << expected.weights[n].first;
  }
  EXPECT_LT(error_of(actual.hidden, expected.hidden), 1e-10) << "history";
}

std::vector<Layout> meshes_of_up_to_four_ranks() {
  std::vector<Layout> layouts;
  for (const int data : {1, 2, 4}) {
    for (const int pipeline : {1, 2, 4}) {
      if (data * pipeline > 4) continue;
      std::vector<int> vocabularies{1, pipeline, data * pipeline};
      vocabularies.erase(std::unique(vocabularies.begin(), vocabularies.end()), vocabularies.end());
      for (const int vocabulary : vocabularies) {
        for (const std::int64_t chunks : {1, 2, 3, 7}) layouts.push_back({{data, pipeline, vocabulary}, chunks});
      }
    }
  }
  return layouts;
}

std::string text_of(const Layout& layout) {
  return fmt::format("{}, {} chunks, {} lane groups", describe(layout.mesh), layout.chunks, layout.lane_groups);
}

class MeshNeverChangesTheRun : public testing::TestWithParam<Network> {};

TEST_P(MeshNeverChangesTheRun, OnUpToFourRanks) {
  const Network& network = GetParam();
  const Result alone = train(network, lone_mesh_groups(), {});
  EXPECT_LT(alone.losses.back(), alone.losses.front()) << "it learns";
  for (const Layout& layout : meshes_of_up_to_four_ranks()) {
    SCOPED_TRACE(text_of(layout));
    const std::vector<Result> results = train_on(network, layout);
    for (const Result& result : results) expect_same(result, alone);
    for (const Result& result : results) EXPECT_EQ(result.losses, results.front().losses) << "the same bits on every rank";
  }
}

INSTANTIATE_TEST_SUITE_P(Adaptive, MeshNeverChangesTheRun,
                         testing::Values(adaptive(2, {1}, 0), adaptive(2, {1}, 2), adaptive(2, {1, 2, 4}, 0), adaptive(2, {1, 2, 4}, 2),
                                         adaptive(3, {1}, 0), adaptive(3, {1}, 2), adaptive(3, {1, 2, 4}, 0), adaptive(3, {1, 2, 4}, 2)),
                         [](const auto& of) { return of.param.name; });

Network mixture() {
  Network network = adaptive(2, {1}, 1);
  network.name = "mixture";
  network.shape.cutoffs.clear();
  network.shape.experts = 3;
  network.shape.embedding = 4;
  network.shape.groups = 3;
  network.shape.injection_every = 2;
  network.rates.latent = 0.3;
  network.objective = {.auxiliary_weight = 0.3, .activation = 2, .slowness = 1};
  network.keep = Keep::states;
  return network;
}

// So few words that some ranks of four have none of a cluster, trained by LAMB with penalties.
Network few_words() {
  Network network = adaptive(3, {2}, 0);
  network.name = "few_words";
  network.shape.vocabulary = 7;
  network.shape.cutoffs = {1, 3};
  network.shape.weight_norm = false;
  network.objective = {.auxiliary_weight = 0.3, .activation = 2, .slowness = 1};
  network.rule = {.kind = OptimizerRule::Kind::lamb, .weight_decay = 0.01, .clip = 1};
  network.lanes = 3;  // fewer than four replicas
  return network;
}

// So many words that the input side's gradient travels as rows.
Network many_words() {
  Network network = adaptive(2, {1}, 0);
  network.name = "many_words";
  network.shape.vocabulary = 911;
  network.shape.cutoffs = {200, 500};
  network.rule = {.kind = OptimizerRule::Kind::sgd};
  return network;
}

INSTANTIATE_TEST_SUITE_P(Other, MeshNeverChangesTheRun, testing::Values(mixture(), few_words(), many_words()),
                         [](const auto& of) { return of.param.name; });

// Levels computed again in segments that do not divide a stage's levels, behind halos of up to eight steps.
Network in_segments(std::int64_t every, std::vector<std::int64_t> dilations) {
  Network network = adaptive(3, std::move(dilations), 0);
  network.name = fmt::format("segments_of_{}_{}", every, network.name);
  network.shape.levels = 7;
  network.keep = Keep::states_of_every(every);
  return network;
}

INSTANTIATE_TEST_SUITE_P(InSegments, MeshNeverChangesTheRun, testing::Values(in_segments(2, {1}), in_segments(2, {1, 2, 4})),
                         [](const auto& of) { return of.param.name; });

// Whatever is kept, one rank or several: the run of kept gates.
TEST(MeshInSegments, IsTheRunOfKeptGates) {
  for (const Network& network : {in_segments(2, {1}), in_segments(3, {1, 2, 4}), in_segments(100, {1})}) {
    Network kept = network;
    kept.keep = Keep::gates;
    const Result expected = train(kept, lone_mesh_groups(), {});
    for (const Layout& layout : {Layout{}, Layout{{1, 2, 1}, 3}, Layout{{1, 2, 2}, 7, 2}, Layout{{1, 3, 1}, 2}}) {
      SCOPED_TRACE(network.name + " on " + text_of(layout));
      for (const Result& result : train_on(network, layout)) expect_same(result, expected);
    }
  }
}

void expect_the_run_of_one_rank(const std::vector<Network>& networks, const std::vector<Layout>& layouts) {
  for (const Network& network : networks) {
    const Result alone = train(network, lone_mesh_groups(), {});
    for (const Layout& layout : layouts) {
      SCOPED_TRACE(network.name + " on " + text_of(layout));
      for (const Result& result : train_on(network, layout)) expect_same(result, alone);
    }
  }
}

TEST(MeshWithLaneGroups, NeverChangesTheRun) {
  expect_the_run_of_one_rank({adaptive(3, {1, 2, 4}, 2), mixture(), in_segments(3, {1, 2, 4})}, {{{1, 1, 1}, 1, 2}, {{1, 2, 2}, 3, 2}, {{2, 2, 1}, 2, 3}, {{1, 3, 3}, 2, 9}});
}

// Groups that are no whole replicas, and larger ones.
TEST(MeshWithOddGroups, NeverChangesTheRun) {
  expect_the_run_of_one_rank({adaptive(3, {1, 2, 4}, 2), mixture(), few_words(), many_words()},
                             {{{2, 3, 2}, 2}, {{2, 2, 1}, 2}, {{3, 2, 3}, 3}, {{1, 4, 2}, 2}, {{8, 1, 4}, 1}, {{1, 5, 5}, 4}});
}

}  // namespace
}  // namespace trellis
