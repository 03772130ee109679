// What may be drawn is exactly what the rule says, and what is drawn comes as often as it should.
#include "model/token_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr double kInfinity = std::numeric_limits<double>::infinity(), kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> logarithms(std::vector<double> probabilities) {
  for (double& p : probabilities) p = std::log(p);
  return probabilities;
}

std::vector<std::int64_t> ids_of(const SamplingRule& rule, const std::vector<double>& log_probabilities) {
  TokenSampler sampler(rule);
  std::vector<std::int64_t> ids;
  for (const auto& candidate : sampler.candidates(log_probabilities)) ids.push_back(candidate.id);
  return ids;
}

// By id; 0 for what may not be drawn.
std::vector<double> shares(const SamplingRule& rule, const std::vector<double>& log_probabilities) {
  TokenSampler sampler(rule);
  std::vector<double> result(log_probabilities.size(), 0);
  double total = 0;
  for (const auto& candidate : sampler.candidates(log_probabilities)) total += result[static_cast<std::size_t>(candidate.id)] = candidate.weight;
  for (double& share : result) share /= total;
  return result;
}

void expect_shares(const SamplingRule& rule, const std::vector<double>& log_probabilities, std::vector<double> wanted, double limit = 1e-14) {
  const double total = std::accumulate(wanted.begin(), wanted.end(), 0.0);
  const std::vector<double> got = shares(rule, log_probabilities);
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t n = 0; n < wanted.size(); ++n) EXPECT_NEAR(got[n], wanted[n] / total, limit) << n;
}

// Draws at `count` positions against the shares: chi-square over the tokens that may come, and none of the others ever.
void expect_frequencies(const SamplingRule& rule, const std::vector<double>& log_probabilities, int count) {
  const std::vector<double> share = shares(rule, log_probabilities);
  std::vector<int> drawn(share.size(), 0);
  TokenSampler sampler(rule);
  for (int position = 0; position < count; ++position) ++drawn[static_cast<std::size_t>(sampler.draw(log_probabilities, position))];
  double statistic = 0;
  int freedom = -1;
  for (std::size_t n = 0; n < share.size(); ++n) {
    const double expected = share[n] * count;
    if (expected == 0) {
      EXPECT_EQ(drawn[n], 0) << n;
      continue;
    }
    statistic += (drawn[n] - expected) * (drawn[n] - expected) / expected;
    ++freedom;
  }
  // Wilson and Hilferty's approximation of the quantile 0.999
  const double spread = 2.0 / (9.0 * freedom), limit = freedom * std::pow(1 - spread + 3.0902 * std::sqrt(spread), 3);
  EXPECT_LT(statistic, limit) << freedom << " degrees of freedom";
}

const std::vector<double> kSix = logarithms({0.02, 0.4, 0.08, 0.25, 0.2, 0.05});

TEST(TokenSampler, DrawsAsOftenAsTheNetworkSays) {
  for (const std::uint64_t seed : {1, 2, 3}) expect_frequencies({.seed = seed}, kSix, 200'000);
  std::vector<double> many(1000);
  for (std::size_t n = 0; n < many.size(); ++n) many[n] = 1.0 / static_cast<double>(n + 10);
  expect_frequencies({.seed = 4}, logarithms(many), 100'000);
}

TEST(TokenSampler, DrawsAsOftenAsTheRuleSays) {
  expect_frequencies({.temperature = 0.5, .seed = 5}, kSix, 200'000);
  expect_frequencies({.temperature = 2, .top_k = 4, .seed = 6}, kSix, 200'000);
  expect_frequencies({.top_p = 0.8, .seed = 7}, kSix, 200'000);
  expect_frequencies({.temperature = 1.5, .top_k = 5, .top_p = 0.9, .seed = 8, .excluded = 3}, kSix, 200'000);
}

TEST(TokenSampler, SharesAreThoseOfTheDefinition) {
  expect_shares({}, kSix, {0.02, 0.4, 0.08, 0.25, 0.2, 0.05});
  expect_shares({.temperature = 0.5}, kSix, {0.0004, 0.16, 0.0064, 0.0625, 0.04, 0.0025});
  expect_shares({.temperature = 2}, logarithms({0.64, 0.04, 0.32 - 0.16}), {0.8, 0.2, 0.4});
  expect_shares({.top_k = 3}, kSix, {0, 0.4, 0, 0.25, 0.2, 0});
  expect_shares({.top_p = 0.7}, kSix, {0, 0.4, 0, 0.25, 0.2, 0});
  expect_shares({.excluded = 1}, kSix, {0.02, 0, 0.08, 0.25, 0.2, 0.05});
}

TEST(TokenSampler, LogProbabilitiesNeedNotBeNormalised) {
  std::vector<double> shifted = kSix;
  for (double& value : shifted) value -= 5000;
  expect_shares({}, shifted, {0.02, 0.4, 0.08, 0.25, 0.2, 0.05}, 1e-12);  // as many digits as 5000 leaves
}

TEST(TokenSampler, TopPKeepsTheFewestThatHaveTheShare) {
  EXPECT_THAT(ids_of({.top_p = 1e-9}, kSix), ElementsAre(1));
  EXPECT_THAT(ids_of({.top_p = 0.39}, kSix), ElementsAre(1));
  EXPECT_THAT(ids_of({.top_p = 0.41}, kSix), ElementsAre(1, 3));
  EXPECT_THAT(ids_of({.top_p = 0.64}, kSix), ElementsAre(1, 3));
  EXPECT_THAT(ids_of({.top_p = 0.66}, kSix), ElementsAre(1, 3, 4));
  EXPECT_THAT(ids_of({.top_p = 0.97}, kSix), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(ids_of({.top_p = 1}, kSix), SizeIs(6));
}

TEST(TokenSampler, TopPCountsTheShareOfWhatTemperatureAndTopKLeft) {
  // of the three most probable, 0.85 in all, the first has 0.47 and the first two 0.76
  EXPECT_THAT(ids_of({.top_k = 3, .top_p = 0.45}, kSix), ElementsAre(1));
  EXPECT_THAT(ids_of({.top_k = 3, .top_p = 0.75}, kSix), ElementsAre(1, 3));
  EXPECT_THAT(ids_of({.top_k = 3, .top_p = 0.77}, kSix), ElementsAre(1, 3, 4));
  // squared, the first has 0.59 of all
  EXPECT_THAT(ids_of({.temperature = 0.5, .top_p = 0.58}, kSix), ElementsAre(1));
  EXPECT_THAT(ids_of({.temperature = 0.5, .top_p = 0.6}, kSix), ElementsAre(1, 3));
}

TEST(TokenSampler, OfEquallyProbableTokensTheLowerIdsStay) {
  const std::vector<double> level = logarithms({0.1, 0.2, 0.2, 0.2, 0.2, 0.1});
  EXPECT_THAT(ids_of({.top_k = 2}, level), ElementsAre(1, 2));
  EXPECT_THAT(ids_of({.top_k = 5}, level), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(ids_of({.top_p = 0.35}, level), ElementsAre(1, 2));
  EXPECT_THAT(ids_of({.top_p = 0.85}, level), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(ids_of({.temperature = 0}, level), ElementsAre(1));
  EXPECT_THAT(ids_of({.top_k = 700}, std::vector<double>(1000, -3.0)), SizeIs(700));
  EXPECT_EQ(ids_of({.top_k = 700}, std::vector<double>(1000, -3.0)).back(), 699);
}

TEST(TokenSampler, TemperatureZeroIsTheMostProbableTokenAtEveryPosition) {
  TokenSampler greedy({.temperature = 0, .top_p = 0.3, .seed = 9});
  for (int position = 0; position < 100; ++position) EXPECT_EQ(greedy.draw(kSix, position), 1);
  TokenSampler without({.temperature = 0, .excluded = 1});
  EXPECT_EQ(without.draw(kSix, 0), 3);
}

TEST(TokenSampler, ExtremeTemperaturesTendToTheMostProbableAndToAll) {
  for (const double temperature : {1e-3, 1e-100, 5e-324}) expect_shares({.temperature = temperature}, kSix, {0, 1, 0, 0, 0, 0});
  for (const double temperature : {1e20, 1e308}) expect_shares({.temperature = temperature}, kSix, {1, 1, 1, 1, 1, 1});
  // equals stay equals however cold it is
  expect_shares({.temperature = 5e-324}, logarithms({0.3, 0.4, 0.3, 0.4}), {0, 1, 0, 1});
  // a cold weight of 0 does not make top k take another token
  EXPECT_THAT(ids_of({.temperature = 1e-300, .top_k = 2}, kSix), ElementsAre(1, 3));
}

TEST(TokenSampler, WhatNeverComesIsNeverDrawn) {
  const std::vector<double> some{-kInfinity, std::log(0.5), -kInfinity, std::log(0.5), -kInfinity};
  for (const SamplingRule& rule : {SamplingRule{}, SamplingRule{.temperature = 1e308}, SamplingRule{.top_k = 4}, SamplingRule{.top_p = 0.999}}) {
    EXPECT_THAT(ids_of(rule, some), ElementsAre(1, 3));
    expect_frequencies(rule, some, 10'000);
  }
}

TEST(TokenSampler, WhatIsNoProbabilityIsANumericError) {
  for (const double wrong : {kNaN, kInfinity}) {
    std::vector<double> values = kSix;
    values[4] = wrong;
    TokenSampler sampler(SamplingRule{});
    try {
      sampler.draw(values, 0);
      FAIL() << "expected a NumericError";
    } catch (const NumericError& error) {
      EXPECT_THAT(error.fact(), HasSubstr("token 4"));
    }
  }
  TokenSampler sampler({.excluded = 1});
  EXPECT_THROW(sampler.draw(std::vector<double>(3, -kInfinity), 0), NumericError);
  EXPECT_THROW(sampler.draw(std::vector<double>{-kInfinity, 0.0}, 0), NumericError);
}

TEST(TokenSampler, ADrawDependsOnSeedAndPositionAndNotOnWhatWasDrawnBefore) {
  const std::vector<double> level(1'000'000, std::log(1e-6));
  TokenSampler one({.seed = 11}), same({.seed = 11}), other({.seed = 12});
  std::vector<std::int64_t> forwards, backwards;
  for (const std::int64_t position : {0, 1, 2, 1000, 1 << 30}) forwards.push_back(one.draw(level, position));
  for (const std::int64_t position : {1 << 30, 1000, 2, 1, 0}) backwards.insert(backwards.begin(), same.draw(level, position));
  EXPECT_EQ(forwards, backwards);
  for (std::size_t n = 1; n < forwards.size(); ++n) EXPECT_NE(forwards[n], forwards[n - 1]);
  EXPECT_NE(other.draw(level, 0), forwards[0]);
}

TEST(TokenSampler, ARuleThatLeavesEverythingInChangesNoDraw) {
  TokenSampler plain({.seed = 13}), all({.top_k = 6, .top_p = 1, .seed = 13});
  for (int position = 0; position < 1000; ++position) EXPECT_EQ(plain.draw(kSix, position), all.draw(kSix, position));
}

TEST(TokenSampler, RefusesRulesOutsideTheirLimits) {
  const auto refused = [](const SamplingRule& rule, const std::string& flag) {
    try {
      TokenSampler{rule};
      ADD_FAILURE() << "expected a UsageError for " << flag;
    } catch (const UsageError& error) {
      EXPECT_THAT(error.fact(), HasSubstr(flag));
    }
  };
  for (const double wrong : {-0.1, kNaN, kInfinity}) refused({.temperature = wrong}, "--temperature");
  refused({.top_k = -1}, "--top-k");
  for (const double wrong : {0.0, -1.0, 1.0001, kNaN}) refused({.top_p = wrong}, "--top-p");
}

}  // namespace
}  // namespace trellis
