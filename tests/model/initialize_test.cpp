// Initial values: known statistics, and each a function of seed, name and place only.
#include "model/initialize.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plan/random.h"

namespace trellis {
namespace {

TrellisShape shape_of(bool weight_norm, std::int64_t vocabulary = 4000) {
  return {.levels = 2, .hidden = 60, .outputs = 40, .embedding = 40, .dilations = {1}, .vocabulary = vocabulary, .cutoffs = {50, 90}, .weight_norm = weight_norm};
}

Parameters initialized(const TrellisShape& shape, std::uint64_t seed = 4, at::ScalarType type = at::kDouble, const InitialValues& values = {}) {
  Parameters weights(ParameterLayout(shape), type);
  weights.flat().fill_(9);
  initialize(weights, values, seed);
  return weights;
}

double deviation(const at::Tensor& t) { return t.to(at::kDouble).square().mean().sqrt().item<double>(); }

TEST(Initialize, KernelsAreNormalAndTheEmbeddingIsUniform) {
  const Parameters weights = initialized(shape_of(true));
  for (const char* const name : {"W1_v", "W2_v"}) {
    const at::Tensor values = weights.view(name);
    EXPECT_NEAR(deviation(values), 0.01, 0.0003) << name;
    EXPECT_NEAR(values.mean().item<double>(), 0, 0.0004) << name;
    // the share within one deviation tells a normal from a uniform distribution (0.577)
    EXPECT_NEAR(values.abs().lt(0.01).to(at::kDouble).mean().item<double>(), 0.6827, 0.015) << name;
  }
  EXPECT_NEAR(deviation(weights.view("bias")), 0.01, 0.003);
  const at::Tensor embedding = weights.view("embedding");
  EXPECT_LT(embedding.abs().max().item<double>(), 0.1);
  EXPECT_GT(embedding.max().item<double>(), 0.0999);
  EXPECT_LT(embedding.min().item<double>(), -0.0999);
  EXPECT_NEAR(deviation(embedding), 0.1 / std::sqrt(3), 0.0005);
  EXPECT_NEAR(embedding.mean().item<double>(), 0, 0.001);
}

TEST(Initialize, DecoderBiasAndClusterRowsAreZero) {
  const Parameters weights = initialized(shape_of(true));
  for (const char* const name : {"decoder_bias", "cluster_weight", "cluster_bias"}) EXPECT_TRUE(weights.view(name).eq(0).all().item<bool>()) << name;
}

TEST(Initialize, GainsAreTheNormsOfTheirRows) {
  const Parameters weights = initialized(shape_of(true));
  for (const std::string name : {"W1", "W2"}) {
    const at::Tensor norms = weights.published(name + "_v").contiguous().flatten(1).square().sum(1).sqrt();
    EXPECT_LT((weights.view(name + "_g") - norms).abs().max().item<double>(), 1e-15) << name;
  }
}

TEST(Initialize, EveryElementIsAFunctionOfSeedNameAndPublishedPlace) {
  const Parameters weights = initialized(shape_of(false), 77);
  for (const char* const name : {"W1", "W2", "bias", "embedding"}) {
    const at::Tensor values = weights.published(name).contiguous().view(-1);
    const RandomStream stream{.seed = 77, .window = name_hash(name), .purpose = Purpose::initial_value};
    for (const std::int64_t n : {std::int64_t{0}, std::int64_t{1}, values.numel() / 2, values.numel() - 1}) {
      const auto index = static_cast<std::uint64_t>(n);
      const double expected = std::string(name) == "embedding" ? 0.1 * (2 * stream.uniform(index) - 1) : 0.01 * stream.normal(index);
      EXPECT_EQ(values[n].item<double>(), expected) << name << "[" << n << "]";
    }
  }
}

TrellisShape mixture() {
  return {.levels = 2, .hidden = 60, .outputs = 40, .embedding = 50, .dilations = {1}, .vocabulary = 90, .cutoffs = {}, .experts = 20};
}

TrellisShape classifier() {
  return {.levels = 2, .hidden = 60, .outputs = 40, .embedding = 3, .dilations = {1}, .vocabulary = 1, .cutoffs = {}, .classifier = true};
}

TEST(Initialize, LayersBehindTheTrellisAreUniformWithinTheRootOfTheirInputs) {
  const Parameters of_mixture = initialized(mixture(), 31), of_classifier = initialized(classifier(), 31);
  const double range = 1 / std::sqrt(40);  // O inputs
  const auto check = [&](const Parameters& weights, const std::string& name) {
    const at::Tensor values = weights.view(name).flatten();
    const double count = static_cast<double>(values.numel()), expected = range / std::sqrt(3);
    EXPECT_LE(values.abs().max().item<double>(), range) << name;
    EXPECT_GT(values.abs().max().item<double>(), range * (1 - 8 / count)) << name;
    EXPECT_NEAR(deviation(values), expected, 3 * expected / std::sqrt(count)) << name;
    EXPECT_NEAR(values.mean().item<double>(), 0, 4 * expected / std::sqrt(count)) << name;
    const RandomStream stream{.seed = 31, .window = name_hash(name), .purpose = Purpose::initial_value};
    for (const std::int64_t n : {std::int64_t{0}, values.numel() / 2, values.numel() - 1}) {
      EXPECT_EQ(values[n].item<double>(), range * (2 * stream.uniform(static_cast<std::uint64_t>(n)) - 1)) << name << "[" << n << "]";
    }
  };
  for (const char* const name : {"prior_weight", "prior_bias", "latent_weight", "latent_bias"}) check(of_mixture, name);
  for (const char* const name : {"linear_weight", "linear_bias"}) check(of_classifier, name);
}

TEST(Initialize, MixedGroupsKeepTheDenseKernelsValuesWhereTheyKeepTheKernel) {
  TrellisShape shape = shape_of(true);
  const at::Tensor dense = initialized(shape).published("W2_v");
  shape.groups = 3;
  const Parameters weights = initialized(shape);
  const at::Tensor grouped = weights.published("W2_v"), kept = grouped.ne(0);
  EXPECT_EQ(kept.sum().item<std::int64_t>(), weights.layout().find("W2_v").parameters);
  EXPECT_TRUE(at::equal(grouped, dense * kept));
  EXPECT_TRUE(at::allclose(weights.published("W2_g").flatten(), grouped.flatten(1).norm(2, 1), 1e-14, 0));
  EXPECT_TRUE(at::equal(weights.published("W1_v"), initialized(shape_of(true)).published("W1_v")));
}

TEST(Initialize, MoreWordsLeaveTheFirstOnesAndTheKernelsAsTheyWere) {
  const Parameters small = initialized(shape_of(true, 1000)), large = initialized(shape_of(true, 4000));
  EXPECT_TRUE(at::equal(large.view("embedding").narrow(0, 0, 1000), small.view("embedding")));
  EXPECT_TRUE(at::equal(large.view("W2_v"), small.view("W2_v")));
}

TEST(Initialize, DiffersBySeedAndTensorAndIsRoundedInFloat32) {
  const TrellisShape shape = shape_of(true);
  const Parameters weights = initialized(shape), other = initialized(shape, 5), narrow = initialized(shape, 4, at::kFloat);
  EXPECT_FALSE(at::equal(weights.view("W2_v"), other.view("W2_v")));
  EXPECT_FALSE(at::equal(weights.view("W1_v").flatten().narrow(0, 0, 100), weights.view("W2_v").flatten().narrow(0, 0, 100)));
  EXPECT_TRUE(at::equal(narrow.view("W2_v"), weights.view("W2_v").to(at::kFloat)));
  EXPECT_TRUE(at::equal(narrow.view("embedding"), weights.view("embedding").to(at::kFloat)));
}

TEST(Initialize, TakesItsDeviationAndRangeFromItsValues) {
  const Parameters weights = initialized(shape_of(true), 4, at::kDouble, {.kernel_deviation = 0.5, .embedding_range = 2});
  EXPECT_NEAR(deviation(weights.view("W2_v")), 0.5, 0.02);
  EXPECT_NEAR(deviation(weights.view("embedding")), 2 / std::sqrt(3), 0.01);
}

}  // namespace
}  // namespace trellis
