// The optimizers against LibTorch's own, and clipping against its clip_grad_norm_.
#include "optimizer/optimizer.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

namespace trellis {
namespace {

TrellisShape small_shape() {
  return {.levels = 2, .hidden = 9, .outputs = 5, .embedding = 5, .dilations = {1}, .vocabulary = 23, .cutoffs = {7, 15}};
}

void fill_normal(Parameters& values, double scale) {
  for (const ParameterInfo& info : values.layout().parameters()) values.view(info.name).copy_(at::randn(info.shape, at::kDouble) * scale);
}

at::Tensor number(double value) { return at::scalar_tensor(value, at::kDouble); }

double largest_difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

struct Rule {
  OptimizerRule rule;
  at::ScalarType type = at::kDouble;
  double limit = 1e-14;
};

// Five updates beside LibTorch's optimizer on the same gradients, clipped and unclipped ones among them.
void expect_equals_libtorch(const Rule& setup) {
  at::manual_seed(3);
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, setup.type), gradients(layout, setup.type);
  fill_normal(weights, 0.3);
  std::vector<at::Tensor> theirs;
  for (const ParameterInfo& info : layout.parameters()) theirs.push_back(weights.view(info.name).clone().requires_grad_());
  constexpr double kLearningRates[] = {0.1, 0.1, 0.05, 0.3, 0.001};

  std::unique_ptr<torch::optim::Optimizer> optimizer;
  if (setup.rule.kind == OptimizerRule::Kind::sgd) {
    optimizer = std::make_unique<torch::optim::SGD>(theirs, torch::optim::SGDOptions(0.1).weight_decay(setup.rule.weight_decay));
  } else {
    optimizer = std::make_unique<torch::optim::Adam>(theirs, torch::optim::AdamOptions(0.1).weight_decay(setup.rule.weight_decay));
  }
  Optimizer ours(setup.rule, layout, setup.type);
  for (int step = 1; step <= 5; ++step) {
    const double rate = kLearningRates[step - 1];
    fill_normal(gradients, step % 2 == 0 ? 1e-3 : 1);
    for (std::size_t n = 0; n < theirs.size(); ++n) theirs[n].mutable_grad() = gradients.view(layout.parameters()[n].name).clone();
    optimizer->param_groups()[0].options().set_lr(rate);
    const double expected_norm = torch::nn::utils::clip_grad_norm_(theirs, setup.rule.clip > 0 ? setup.rule.clip : 1e30);
    const at::Tensor norm = global_norm(gradients);
    EXPECT_NEAR(norm.item<double>(), expected_norm, (setup.type == at::kDouble ? 1e-14 : 1e-6) * expected_norm);
    ours.update(weights, gradients, clipping_factor(norm, setup.rule.clip), rate, step);
    optimizer->step();
    for (std::size_t n = 0; n < theirs.size(); ++n) {
      const std::string& name = layout.parameters()[n].name;
      EXPECT_LE(largest_difference(weights.view(name), theirs[n].detach()), setup.limit) << "step " << step << ", " << name;
    }
  }
}

TEST(Optimizer, EqualsLibTorchsOverFiveSteps) {
  for (const OptimizerRule::Kind kind : {OptimizerRule::Kind::sgd, OptimizerRule::Kind::adam}) {
    for (const double weight_decay : {0.0, 1e-2}) {
      for (const double clip : {0.0, 0.25}) {
        SCOPED_TRACE(fmt::format("{}, weight decay {}, clip {}", kind == OptimizerRule::Kind::sgd ? "SGD" : "Adam", weight_decay, clip));
        const OptimizerRule rule{.kind = kind, .weight_decay = weight_decay, .clip = clip};
        expect_equals_libtorch({.rule = rule});
        expect_equals_libtorch({.rule = rule, .type = at::kFloat, .limit = 2e-6});
      }
    }
  }
}

TEST(Optimizer, SgdKeepsNoStateAndAdamTwoMeans) {
  const ParameterLayout layout(small_shape());
  Optimizer sgd({.kind = OptimizerRule::Kind::sgd}, layout, at::kDouble), adam({.kind = OptimizerRule::Kind::adam}, layout, at::kDouble);
  EXPECT_EQ(sgd.mean(), nullptr);
  EXPECT_EQ(sgd.variance(), nullptr);
  ASSERT_NE(adam.mean(), nullptr);
  ASSERT_NE(adam.variance(), nullptr);
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  fill_normal(gradients, 1);
  adam.update(weights, gradients, number(0.5), 0.1, 1);
  const at::Tensor scaled = gradients.flat() * 0.5;
  EXPECT_LT(largest_difference(adam.mean()->flat(), scaled * 0.1), 1e-15);
  EXPECT_LT(largest_difference(adam.variance()->flat(), scaled * scaled * 0.001), 1e-15);
}

TEST(Optimizer, SplitByItsStateGoesOnWithTheSameBits) {
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, at::kFloat), gradients(layout, at::kFloat);
  at::manual_seed(5);
  fill_normal(weights, 0.3);
  const OptimizerRule rule{.kind = OptimizerRule::Kind::adam, .weight_decay = 1e-3};
  Optimizer first(rule, layout, at::kFloat), second(rule, layout, at::kFloat);
  fill_normal(gradients, 1);
  first.update(weights, gradients, number(1), 0.1, 1);
  second.mean()->flat().copy_(first.mean()->flat());
  second.variance()->flat().copy_(first.variance()->flat());
  Parameters copy(layout, at::kFloat);
  copy.flat().copy_(weights.flat());
  fill_normal(gradients, 1);
  first.update(weights, gradients, number(1), 0.1, 2);
  second.update(copy, gradients, number(1), 0.1, 2);
  EXPECT_TRUE(at::equal(weights.flat(), copy.flat()));
}

TEST(Optimizer, PaddingBetweenTensorsStaysZero) {
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  Optimizer adam({.kind = OptimizerRule::Kind::adam, .weight_decay = 0.1}, layout, at::kDouble);
  for (int step = 1; step <= 3; ++step) {
    fill_normal(gradients, 1);
    adam.update(weights, gradients, number(1), 0.1, step);
  }
  for (const ParameterInfo& info : layout.parameters()) weights.view(info.name).zero_();
  EXPECT_TRUE(weights.flat().eq(0).all().item<bool>());
}

TEST(GlobalNorm, CountsEveryParameterOnceOverManyBlocks) {
  TrellisShape shape = small_shape();
  shape.vocabulary = 100'000;
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    Parameters gradients(ParameterLayout(shape), type);
    std::int64_t count = 0;
    for (const ParameterInfo& info : gradients.layout().parameters()) {
      gradients.view(info.name).fill_(2);
      count += info.count;
    }
    EXPECT_EQ(global_norm(gradients).item<double>(), std::sqrt(4.0 * static_cast<double>(count)));
    EXPECT_EQ(count, gradients.layout().count());
  }
}

TEST(GlobalNorm, OfNanIsNanAndOfLargeFloatsIsFinite) {
  Parameters gradients(ParameterLayout(small_shape()), at::kFloat);
  gradients.view("bias").fill_(1e30);
  EXPECT_NEAR(global_norm(gradients).item<double>(), 6e30, 1e25);
  gradients.view("bias")[0] = std::nanf("");
  EXPECT_TRUE(std::isnan(global_norm(gradients).item<double>()));
}

// Weights after each of `updates` updates of SGD, averaged from update `from` on (counted from 1).
struct Course {
  std::vector<at::Tensor> weights;
  at::Tensor evaluated;
};
Course averaged_course(int updates, int from, int interrupted_at = 0) {
  at::manual_seed(5);
  const ParameterLayout layout(small_shape());
  Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
  fill_normal(weights, 1);
  auto optimizer = std::make_unique<Optimizer>(OptimizerRule{.kind = OptimizerRule::Kind::sgd}, layout, at::kDouble);
  Course course;
  for (int update = 1; update <= updates; ++update) {
    if (update == from) optimizer->begin_averaging();
    fill_normal(gradients, 1);
    optimizer->update(weights, gradients, number(1), 0.5, update);
    course.weights.push_back(weights.flat().clone());
    if (update == interrupted_at) {  // another process goes on with what a checkpoint holds
      auto resumed = std::make_unique<Optimizer>(OptimizerRule{.kind = OptimizerRule::Kind::sgd}, layout, at::kDouble);
      resumed->begin_averaging(optimizer->averaged_updates());
      resumed->average()->flat().copy_(optimizer->average()->flat());
      optimizer = std::move(resumed);
    }
  }
  course.evaluated = optimizer->evaluated(weights).flat().clone();
  return course;
}

TEST(AveragedSgd, IsTheMeanOfAllWeightsFromTheSecondUpdateOn) {
  for (const int from : {1, 4}) {
    for (int updates = from; updates <= 9; ++updates) {
      const Course course = averaged_course(updates, from);
      const std::size_t first = static_cast<std::size_t>(updates == from ? from - 1 : from);
      const at::Tensor mean = at::stack(std::vector<at::Tensor>(course.weights.begin() + static_cast<std::ptrdiff_t>(first), course.weights.end())).mean(0);
      EXPECT_LE(largest_difference(course.evaluated, mean), 1e-14) << from << " " << updates;
    }
  }
}

TEST(AveragedSgd, BeforeItBeginsTheWeightsThemselvesAreEvaluated) {
  const Course course = averaged_course(3, 4);
  EXPECT_TRUE(at::equal(course.evaluated, course.weights.back()));
}

TEST(AveragedSgd, GoesOnFromACheckpointAsIfItHadNotStopped) {
  for (const int interrupted_at : {2, 3, 6}) {
    EXPECT_TRUE(at::equal(averaged_course(8, 2, interrupted_at).evaluated, averaged_course(8, 2).evaluated)) << interrupted_at;
  }
}

TEST(AveragedSgd, SharesAreThoseOfARunningMean) {
  EXPECT_EQ(averaging_share(1), 1);
  EXPECT_EQ(averaging_share(2), 1);
  EXPECT_EQ(averaging_share(3), 0.5);
  EXPECT_EQ(averaging_share(11), 0.1);
}

TEST(ClippingFactor, IsThatOfLibTorch) {
  const auto factor = [](double norm, double clip) { return clipping_factor(number(norm), clip).item<double>(); };
  EXPECT_EQ(factor(5, 0), 1);
  EXPECT_EQ(factor(0.2, 0.25), 1);
  EXPECT_EQ(factor(0, 0.25), 1);
  EXPECT_EQ(factor(2, 0.25), 0.25 / (2 + 1e-6));
}

TEST(ClippingFactor, OfANormThatIsNotFiniteIsNan) {
  for (const double norm : {std::nan(""), HUGE_VAL}) {
    for (const double clip : {0.0, 0.25}) EXPECT_TRUE(std::isnan(clipping_factor(number(norm), clip).item<double>())) << norm << " " << clip;
  }
}

TEST(Optimizer, LeavesEverythingAsItIsWhereTheGradientCannotBeUsed) {
  const ParameterLayout layout(small_shape());
  for (const OptimizerRule::Kind kind : {OptimizerRule::Kind::sgd, OptimizerRule::Kind::adam, OptimizerRule::Kind::lamb}) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      Parameters weights(layout, type), gradients(layout, type);
      at::manual_seed(6);
      fill_normal(weights, 0.3);
      fill_normal(gradients, 1);
      Optimizer optimizer({.kind = kind, .weight_decay = 0.1}, layout, type);
      optimizer.update(weights, gradients, number(1), 0.1, 1);
      const auto state = [&] {
        std::vector<at::Tensor> all{weights.flat().clone()};
        for (Parameters* const mean : {optimizer.mean(), optimizer.variance()}) {
          if (mean) all.push_back(mean->flat().clone());
        }
        return all;
      };
      const std::vector<at::Tensor> before = state();
      optimizer.update(weights, gradients, number(std::nan("")), 0.1, 2);
      const std::vector<at::Tensor> after = state();
      for (std::size_t n = 0; n < before.size(); ++n) EXPECT_TRUE(at::equal(after[n], before[n])) << static_cast<int>(kind) << " " << n;
      optimizer.update(weights, gradients, number(1), 0.1, 3);
      EXPECT_FALSE(at::equal(weights.flat(), before[0]));
    }
  }
}

}  // namespace
}  // namespace trellis
