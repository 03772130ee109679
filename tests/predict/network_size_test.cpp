#include "predict/network_size.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/predict/run_numbers_helpers.h"

namespace trellis {
namespace {

TEST(ForwardFlops, AreThoseOfThePublishedNetwork) {
  const RunNumbers run = wikitext103();
  const ForwardFlops flops = forward_flops(run.shape, zipf_shares(run.shape.vocabulary, run.shape.cutoffs));
  EXPECT_EQ(flops.levels, 75 * 2.0 * 2 * 2112 * 4 * 2112);
  EXPECT_EQ(flops.injection, 2.0 * 2 * 512 * 4 * 2112);
  EXPECT_NEAR(kForwardAndBackward * flops.levels, 16.06e9, 0.01e9);
}

// As tests/benchmarks/model_flops.py counts them: an adaptive softmax, auxiliary outputs and two dilations.
TEST(ForwardFlops, CountEveryOutputDilationAndClusterOnce) {
  RunNumbers run = small_run();
  run.shape.dilations = {1, 2};
  const ForwardFlops flops = forward_flops(run.shape, {0.5, 0.25, 0.25});
  EXPECT_EQ(flops.levels, 8 * 2.0 * 2 * 64 * 256);
  EXPECT_EQ(flops.injection, 2 * 2.0 * 2 * 32 * 256);
  EXPECT_EQ(flops.softmax, 3 * 2.0 * 32 * (102 + 0.25 * 300 + 0.25 * 600));
  run.shape.injection_every = 2;  // levels 0, 2, ... all have dilation 1
  EXPECT_EQ(forward_flops(run.shape, {0.5, 0.25, 0.25}).injection, 2.0 * 2 * 32 * 256);
  run.shape.groups = 4;
  EXPECT_EQ(forward_flops(run.shape, {0.5, 0.25, 0.25}).levels, 8 * 2.0 * 2 * 16 * 256);
  run.shape.cutoffs = {}, run.shape.experts = 3, run.shape.auxiliary_every = 0;
  EXPECT_EQ(forward_flops(run.shape, {1}).softmax, 2.0 * 32 * (3 + 3 * 32) + 2.0 * 3 * 32 * 1000);
}

TEST(ParameterSize, SplitsIntoStripesAndTheRest) {
  const RunNumbers run = wikitext103();
  EXPECT_EQ(parameter_count(run.shape), 267735 * 513 + 3 * 513 + 4 * 2112 * 2 * (512 + 2112) + 3 * 4 * 2112);
  const ParameterSize whole = parameter_size(run.shape, run.shape.vocabulary);
  EXPECT_LT(whole.all() - parameter_count(run.shape), 9 * 16);
  EXPECT_GE(whole.all(), parameter_count(run.shape));
  EXPECT_EQ(parameter_size(run.shape, 0).vocabulary, 0);
  EXPECT_EQ(parameter_size(run.shape, 100).body, whole.body);
}

TEST(ClusterShares, SumToOneAndFallAsZipfSays) {
  const std::vector<double> shares = zipf_shares(267735, {2800, 20000, 76000});
  EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1, 1e-12);
  EXPECT_GT(shares[0], 0.5);
  EXPECT_EQ(zipf_shares(10, {}), std::vector<double>{1});
  EXPECT_EQ(shares_of_counts({6, 2, 1, 1}, {1, 3}), (std::vector<double>{0.6, 0.3, 0.1}));
  EXPECT_TRUE(shares_of_counts({0, 0}, {1}).empty());
}

}  // namespace
}  // namespace trellis
