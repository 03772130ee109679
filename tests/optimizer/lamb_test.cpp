// LAMB against its definition, written anew in plain double precision over tensors in their published shapes.
#include "optimizer/lamb.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "optimizer/optimizer.h"

namespace trellis {
namespace {

at::Tensor number(double value) { return at::scalar_tensor(value, at::kDouble); }

TrellisShape small_shape(bool weight_norm = true) {
  return {.levels = 2, .hidden = 9, .outputs = 5, .embedding = 5, .dilations = {1}, .vocabulary = 23, .cutoffs = {7, 15}, .weight_norm = weight_norm};
}

OptimizerRule lamb_rule(double weight_decay = 0, double clip = 0) {
  return {.kind = OptimizerRule::Kind::lamb, .weight_decay = weight_decay, .clip = clip, .beta1 = 0.8, .beta2 = 0.97, .epsilon = 1e-6};
}

// By published shape: where a mixed group convolution has no parameter, memory stays zero.
void fill_normal(Parameters& values, double scale) {
  for (const ParameterInfo& info : values.layout().parameters()) values.assign(info.name, at::randn(info.published, at::kDouble) * scale);
}

std::vector<double> numbers_of(const Parameters& parameters, const std::string& name) {
  const at::Tensor values = parameters.published(name).to(at::kDouble).contiguous().flatten();
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

double length(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

// By name, so that a tensor that changes its treatment has to be changed here, too.
bool decayed(const std::string& name) { return !name.ends_with("bias") && name != "W1_v" && name != "W2_v"; }

// One tensor under the definition, in double.
struct Defined {
  std::vector<double> weights, mean, variance;
  double trust = 1;

  void update(const OptimizerRule& rule, const std::string& name, const std::vector<double>& gradient, double scale, double rate, int step) {
    std::vector<double> direction(weights.size());
    for (std::size_t n = 0; n < weights.size(); ++n) {
      const double g = gradient[n] * scale;
      mean[n] = rule.beta1 * mean[n] + (1 - rule.beta1) * g;
      variance[n] = rule.beta2 * variance[n] + (1 - rule.beta2) * g * g;
      const double m = mean[n] / (1 - std::pow(rule.beta1, step)), v = variance[n] / (1 - std::pow(rule.beta2, step));
      direction[n] = m / (std::sqrt(v) + rule.epsilon) + (decayed(name) ? rule.weight_decay * weights[n] : 0);
    }
    const double of_weights = length(weights), of_direction = length(direction);
    trust = of_weights > 0 && of_direction > 0 ? of_weights / of_direction : 1;
    for (std::size_t n = 0; n < weights.size(); ++n) weights[n] -= rate * trust * direction[n];
  }
};

// Six updates beside the definition: small and large gradients, clipped or not, an embedding that begins at zero, a
// decoder's bias that never has a gradient.
void expect_as_defined(const TrellisShape& shape, const OptimizerRule& rule, at::ScalarType type, double limit) {
  at::manual_seed(3);
  const ParameterLayout layout(shape);
  Parameters weights(layout, type), gradients(layout, type);
  fill_normal(weights, 0.3);
  weights.view("embedding").zero_();
  std::map<std::string, Defined> defined;
  for (const ParameterInfo& info : layout.parameters()) {
    Defined& tensor = defined[info.name];
    tensor.weights = numbers_of(weights, info.name);
    tensor.mean = tensor.variance = std::vector<double>(tensor.weights.size());
  }
  Optimizer optimizer(rule, layout, type);
  constexpr double kRates[] = {0.1, 0.1, 0.05, 0.3, 0.001, 0.1};
  for (int step = 1; step <= 6; ++step) {
    fill_normal(gradients, step % 2 == 0 ? 1e-3 : 1);
    gradients.view("decoder_bias").zero_();
    double squares = 0;
    for (const ParameterInfo& info : layout.parameters()) squares += std::pow(length(numbers_of(gradients, info.name)), 2);
    const double scale = rule.clip > 0 ? std::min(1.0, rule.clip / (std::sqrt(squares) + 1e-6)) : 1;
    optimizer.update(weights, gradients, clipping_factor(global_norm(gradients), rule.clip), kRates[step - 1], step);
    const std::vector<double> trust = optimizer.lamb()->trust_ratios();
    for (std::size_t t = 0; t < layout.parameters().size(); ++t) {
      const std::string& name = layout.parameters()[t].name;
      Defined& tensor = defined[name];
      tensor.update(rule, name, numbers_of(gradients, name), scale, kRates[step - 1], step);
      EXPECT_NEAR(trust[t], tensor.trust, 10 * limit * tensor.trust) << "step " << step << ", " << name;
      const std::vector<double> actual = numbers_of(weights, name);
      for (std::size_t n = 0; n < actual.size(); ++n) {
        ASSERT_NEAR(actual[n], tensor.weights[n], limit) << "step " << step << ", " << name << "[" << n << "]";
      }
    }
  }
}

TEST(Lamb, FollowsItsDefinition) {
  for (const double weight_decay : {0.0, 0.1}) {
    for (const double clip : {0.0, 0.25}) {
      for (const bool weight_norm : {true, false}) {
        SCOPED_TRACE(fmt::format("weight decay {}, clip {}, weight normalisation {}", weight_decay, clip, weight_norm));
        expect_as_defined(small_shape(weight_norm), lamb_rule(weight_decay, clip), at::kDouble, 1e-13);
        expect_as_defined(small_shape(weight_norm), lamb_rule(weight_decay, clip), at::kFloat, 5e-6);
      }
    }
  }
}

TEST(Lamb, FollowsItsDefinitionForAMixtureOfGroups) {
  TrellisShape shape = small_shape();
  shape.cutoffs = {};
  shape.experts = 3;
  shape.groups = 3;
  expect_as_defined(shape, lamb_rule(0.05, 0.25), at::kDouble, 1e-13);
}

// Weights after three updates of a network whose tensors have many blocks.
at::Tensor after_updates(int threads) {
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  at::manual_seed(9);
  TrellisShape shape = small_shape();
  shape.vocabulary = 60'000;
  const ParameterLayout layout(shape);
  Parameters weights(layout, at::kFloat), gradients(layout, at::kFloat);
  fill_normal(weights, 0.1);
  Optimizer optimizer(lamb_rule(0.01), layout, at::kFloat);
  for (int step = 1; step <= 3; ++step) {
    fill_normal(gradients, 1);
    optimizer.update(weights, gradients, number(0.7), 0.1, step);
  }
  at::set_num_threads(before);
  return weights.flat();
}

TEST(Lamb, GivesTheSameBitsOnAnyNumberOfThreads) {
  const at::Tensor one = after_updates(1);
  for (const int threads : {2, 3, 5}) EXPECT_TRUE(at::equal(after_updates(threads), one)) << threads;
}

TEST(Lamb, StepsByTheSameShareOfEveryTensorsLength) {
  at::manual_seed(2);
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  fill_normal(weights, 0.01);
  weights.view("embedding").mul_(100);
  fill_normal(gradients, 1);
  Parameters before(layout, at::kDouble);
  before.flat().copy_(weights.flat());
  Optimizer optimizer(lamb_rule(), layout, at::kDouble);
  optimizer.update(weights, gradients, number(1), 0.02, 1);
  for (const ParameterInfo& info : layout.parameters()) {
    const double moved = (weights.view(info.name) - before.view(info.name)).norm().item<double>();
    EXPECT_NEAR(moved / before.view(info.name).norm().item<double>(), 0.02, 1e-14) << info.name;
  }
}

// Why v takes no decay: a kernel is the same for v of any length, and so has to be its course under training.
TEST(Lamb, TurnsDirectionsByAnAngleThatTheirLengthDoesNotTouch) {
  const ParameterLayout layout(small_shape());
  at::Tensor turned[2];
  for (const int n : {0, 1}) {
    at::manual_seed(4);
    const double times = n == 0 ? 1 : 1024;
    Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
    fill_normal(weights, 0.3);
    weights.view("W2_v").mul_(times);
    OptimizerRule rule = lamb_rule(0.3);
    rule.epsilon = 1e-30;
    Optimizer optimizer(rule, layout, at::kDouble);
    for (int step = 1; step <= 4; ++step) {
      fill_normal(gradients, 1);
      gradients.view("W2_v").div_(times);  // as that of a function of v / ||v||
      optimizer.update(weights, gradients, number(1), 0.1, step);
    }
    turned[n] = weights.view("W2_v") / times;
  }
  EXPECT_LT((turned[0] - turned[1]).abs().max().item<double>(), 1e-14);
}

TEST(Lamb, SplitByItsStateGoesOnWithTheSameBits) {
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, at::kFloat), gradients(layout, at::kFloat), copy(layout, at::kFloat);
  at::manual_seed(5);
  fill_normal(weights, 0.3);
  Optimizer first(lamb_rule(1e-2), layout, at::kFloat), second(lamb_rule(1e-2), layout, at::kFloat);
  fill_normal(gradients, 1);
  first.update(weights, gradients, number(1), 0.1, 1);
  second.mean()->flat().copy_(first.mean()->flat());
  second.variance()->flat().copy_(first.variance()->flat());
  copy.flat().copy_(weights.flat());
  fill_normal(gradients, 1);
  first.update(weights, gradients, number(1), 0.1, 2);
  second.update(copy, gradients, number(1), 0.1, 2);
  EXPECT_TRUE(at::equal(weights.flat(), copy.flat()));
}

TEST(Lamb, PaddingBetweenTensorsStaysZero) {
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  Optimizer optimizer(lamb_rule(0.1), layout, at::kDouble);
  for (int step = 1; step <= 3; ++step) {
    fill_normal(gradients, 1);
    optimizer.update(weights, gradients, number(1), 0.1, step);
  }
  for (const ParameterInfo& info : layout.parameters()) weights.view(info.name).zero_();
  EXPECT_TRUE(weights.flat().eq(0).all().item<bool>());
}

}  // namespace
}  // namespace trellis
