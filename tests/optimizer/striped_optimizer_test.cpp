// Optimizers of ranks that hold one vocabulary together: the updates of their stripes, put together, are those of whole
// tensors, norms and trust ratios included.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>

#include "base/errors.h"
#include "comm/rank_sums.h"
#include "comm/threads/thread_backend.h"
#include "optimizer/optimizer.h"

namespace trellis {
namespace {

constexpr int kUpdates = 5;
constexpr double kLimit = 1e-12;

struct Case {
  std::string name;
  OptimizerRule rule;
  int averaged_from = 0;  // update, counted from 1; 0: never
};
const Case kCases[] = {
    {"sgd", {.kind = OptimizerRule::Kind::sgd, .weight_decay = 1e-2, .clip = 0.25}},
    {"averaged_sgd", {.kind = OptimizerRule::Kind::sgd, .clip = 0.25}, 2},
    {"adam", {.kind = OptimizerRule::Kind::adam, .weight_decay = 1e-2, .clip = 0.25}},
    {"lamb", {.kind = OptimizerRule::Kind::lamb, .weight_decay = 0.1, .clip = 0.25, .beta1 = 0.8, .beta2 = 0.97, .epsilon = 1e-6}},
};

struct Words {
  std::int64_t vocabulary;
  std::vector<std::int64_t> cutoffs;
};
// fewer words than places; a cluster that is; a stripe of many blocks of a sum
const Words kWords[] = {{3, {}}, {23, {}}, {23, {7, 9}}, {40'000, {100, 101}}};

TrellisShape shape_of(const Words& words) {
  return {.levels = 2, .hidden = 9, .outputs = 5, .embedding = 5, .dilations = {1},
          .vocabulary = words.vocabulary, .cutoffs = words.cutoffs};
}

// The same values whoever holds them: normal ones of whole tensors, by seed.
void fill(Parameters& values, std::uint64_t seed, double scale) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  for (const ParameterInfo& info : values.layout().parameters()) {
    values.assign(info.name, at::empty(info.published, at::kDouble).normal_(0, scale, generator));
  }
}

// What an optimizer makes of given weights and gradients in kUpdates updates.
struct Course {
  Course(const Case& of, const ParameterLayout& layout, VocabularyGroup group = nullptr)
      : weights(layout, at::kDouble), optimizer(of.rule, layout, at::kDouble, group) {
    Parameters gradients(layout, at::kDouble);
    fill(weights, 1, 0.3);
    for (int update = 1; update <= kUpdates; ++update) {
      if (update == of.averaged_from) optimizer.begin_averaging();
      fill(gradients, static_cast<std::uint64_t>(10 + update), update % 2 == 0 ? 1e-4 : 1);
      const at::Tensor norm = global_norm(gradients, group);
      norms.push_back(norm.item<double>());
      optimizer.update(weights, gradients, clipping_factor(norm, of.rule.clip), 0.1, update);
      if (optimizer.lamb()) trust.push_back(optimizer.lamb()->trust_ratios());
    }
  }
  Parameters weights;
  Optimizer optimizer;
  std::vector<double> norms;
  std::vector<std::vector<double>> trust;
};

void expect_close(const std::string& what, const at::Tensor& actual, const at::Tensor& expected) {
  if (expected.numel() == 0) return;
  EXPECT_LE((actual - expected).abs().max().item<double>(), kLimit * std::max(1.0, expected.abs().max().item<double>())) << what;
}

// This rank's part of the whole tensors.
void expect_part_of(const std::string& what, Parameters* actual, Parameters* expected) {
  ASSERT_EQ(actual == nullptr, expected == nullptr) << what;
  if (!actual) return;
  for (const ParameterInfo& info : actual->layout().parameters()) {
    expect_close(what + " of " + info.name, actual->view(info.name), actual->layout().in_memory(info, expected->published(info.name)));
  }
}

class StripedOptimizer : public testing::TestWithParam<std::tuple<Case, int>> {};
INSTANTIATE_TEST_SUITE_P(Rules, StripedOptimizer, testing::Combine(testing::ValuesIn(kCases), testing::Values(2, 3, 4)),
                         [](const auto& p) { return fmt::format("{}_{}_places", std::get<0>(p.param).name, std::get<1>(p.param)); });

TEST_P(StripedOptimizer, MakesTheUpdatesOfWholeTensors) {
  const auto& [rule, places] = GetParam();
  for (const Words& words : kWords) {
    SCOPED_TRACE(fmt::format("{} words, {} cutoffs", words.vocabulary, words.cutoffs.size()));
    const TrellisShape shape = shape_of(words);
    Course whole(rule, ParameterLayout(shape));
    std::vector<std::vector<double>> norms(static_cast<std::size_t>(places));
    std::mutex one_at_a_time;  // of the expectations
    run_thread_ranks(places, [&](const ProcessGroup& group, int place) {
      const VocabularyStripes stripes(shape.vocabulary, shape.cutoffs, places);
      Course own(rule, ParameterLayout(shape, stripes, place), &group);
      const std::lock_guard lock(one_at_a_time);
      SCOPED_TRACE(fmt::format("place {}", place));
      expect_part_of("weights", &own.weights, &whole.weights);
      expect_part_of("mean", own.optimizer.mean(), whole.optimizer.mean());
      expect_part_of("variance", own.optimizer.variance(), whole.optimizer.variance());
      expect_part_of("average", own.optimizer.average(), whole.optimizer.average());
      for (std::size_t n = 0; n < whole.norms.size(); ++n) EXPECT_NEAR(own.norms[n], whole.norms[n], kLimit * whole.norms[n]) << n;
      ASSERT_EQ(own.trust.size(), whole.trust.size());
      for (std::size_t n = 0; n < whole.trust.size(); ++n) {
        for (std::size_t t = 0; t < whole.trust[n].size(); ++t) {
          EXPECT_NEAR(own.trust[n][t], whole.trust[n][t], kLimit * whole.trust[n][t]) << "update " << n << ", tensor " << t;
        }
      }
      norms[static_cast<std::size_t>(place)] = own.norms;
    });
    for (const auto& of_place : norms) EXPECT_EQ(of_place, norms[0]) << "every rank clips by the same bits";
  }
}

TEST(OptimizerOfStripes, WantsTheGroupOfItsStripes) {
  const TrellisShape shape = shape_of(kWords[2]);
  const ParameterLayout striped(shape, VocabularyStripes(shape.vocabulary, shape.cutoffs, 2), 1);
  const Parameters gradients(striped, at::kDouble);
  EXPECT_THROW(global_norm(gradients), InternalError);
  EXPECT_THROW(Optimizer({}, striped, at::kDouble), InternalError);
  EXPECT_THROW(Lamb(striped, at::kDouble), InternalError);
  run_thread_ranks(2, [&](const ProcessGroup& group, int rank) {
    EXPECT_THROW(Optimizer({}, ParameterLayout(shape), at::kDouble, &group), InternalError);
    if (rank == 1) return;
    EXPECT_THROW(Optimizer({}, striped, at::kDouble, &group), InternalError);  // of place 1
  });
}

// 1 + 2^-53 + 2^-53 tells the order: the two small ones are lost one by one after the 1, but not before it.
TEST(RankSums, AddInRankOrder) {
  const double small = std::pow(2.0, -53);
  run_thread_ranks(3, [&](const ProcessGroup& group, int rank) {
    const at::Tensor own = at::tensor({rank == 0 ? 1.0 : small, rank == 2 ? 1.0 : small}, at::kDouble), sums = sum_over_ranks(&group, own);
    EXPECT_EQ(sums[0].item<double>(), 1.0);
    EXPECT_EQ(sums[1].item<double>(), 1.0 + 2 * small);
    const at::Tensor one = sum_over_ranks(&group, own[1]);
    EXPECT_EQ(one.dim(), 0);
    EXPECT_EQ(one.item<double>(), 1.0 + 2 * small);
  });
  EXPECT_EQ(sum_over_ranks(nullptr, at::scalar_tensor(3.0, at::kDouble)).item<double>(), 3.0);
}

}  // namespace
}  // namespace trellis
