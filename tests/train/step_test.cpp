// Steps that are started before the ones before them have been waited for.
#include "train/step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "comm/cuda_module.h"
#include "comm/rank_sums.h"
#include "comm/threads/thread_backend.h"
#include "train/compute_device.h"

namespace trellis {
namespace {

TrellisShape shape() {
  return {.levels = 2, .hidden = 9, .outputs = 5, .embedding = 5, .dilations = {1}, .vocabulary = 23, .cutoffs = {7, 15}};
}

// What fails at a step: nothing, the loss, or an element of the gradient.
enum class Failing { nothing, loss, gradient };

// The loss is half the square of the weights, its gradient the weights, each rank computing a share of both.
class Squares : public Task {
 public:
  Squares(const MeshGroups& groups, Failing failing, std::int64_t failing_step) : groups_(groups), failing_(failing), failing_step_(failing_step) {}

  std::int64_t windows() const override { return 100; }
  void begin_pass(std::int64_t, std::int64_t) override {}
  ParameterLayout layout() const override { return ParameterLayout(shape()); }
  StepSums forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) override {
    const double share = 1.0 / groups_.world.size();
    gradients.flat().copy_(weights.flat() * share);
    at::Tensor loss = weights.flat().square().sum() * (share / 2);
    if (step == failing_step_ && failing_ == Failing::loss) loss.fill_(HUGE_VAL);
    if (step == failing_step_ && failing_ == Failing::gradient && groups_.rank == 0) gradients.view("bias")[3] = std::nan("");
    groups_.world.all_reduce(gradients.flat(), Reduction::sum);
    return {sum_over_ranks(&groups_.world, loss.view({1})), 7, [](const double* numbers) {
              return StepLoss{.loss_nats = numbers[0], .objective = numbers[0], .accuracy = std::nullopt, .scored = 7};
            }};
  }
  std::int64_t all_lanes() const override { return 1; }
  Range lanes() const override { return {0, 1}; }
  std::vector<LaneState> lane_states() override { return {}; }
  std::string description() const override { return "squares"; }

 private:
  const MeshGroups& groups_;
  Failing failing_;
  std::int64_t failing_step_;
};

struct Course {
  std::vector<std::pair<double, double>> results;  // loss and norm, step by step
  std::vector<at::Tensor> weights;                 // as each step found them
  std::string error;
};

constexpr std::int64_t kSteps = 6;

Course train(const MeshGroups& groups, at::Device device, OptimizerRule::Kind kind, std::size_t under_way, Failing failing = Failing::nothing,
             std::int64_t failing_step = 0) {
  Squares task(groups, failing, failing_step);
  TrainingStep training(groups, task, {.kind = kind, .clip = 0.5}, at::TensorOptions(device).dtype(at::kDouble));
  for (const ParameterInfo& info : training.weights().layout().parameters()) training.weights().view(info.name).fill_(0.25);
  std::vector<StartedStep> started;
  Course course;
  try {
    for (std::int64_t step = 0; step < kSteps; ++step) {
      course.weights.push_back(training.weights().flat().clone());
      started.push_back(training.start(step, 0.1));
      EXPECT_EQ(started.back().scored(), 7);
      while (started.size() > course.results.size() + under_way) {
        const StepResult result = started[course.results.size()].wait();
        course.results.emplace_back(result.loss.loss_nats, result.gradient_norm);
      }
    }
    while (course.results.size() < started.size()) {
      const StepResult result = started[course.results.size()].wait();
      course.results.emplace_back(result.loss.loss_nats, result.gradient_norm);
    }
  } catch (const NumericError& error) {
    course.error = error.what();
  }
  course.weights.push_back(training.weights().flat().clone());
  return course;
}

// A CPU, and a GPU where this build and this machine have one.
std::vector<at::Device> devices() {
  std::vector<at::Device> all{at::kCPU};
  if (has_cuda_module() && gpu_is_visible()) all.push_back(first_gpu());
  return all;
}

constexpr OptimizerRule::Kind kKinds[] = {OptimizerRule::Kind::sgd, OptimizerRule::Kind::adam, OptimizerRule::Kind::lamb};

TEST(StartedSteps, AreTheSameWhenTheyAreWaitedForLater) {
  const MeshGroups groups = lone_mesh_groups();
  for (const at::Device device : devices()) {
    for (const auto kind : kKinds) {
      const Course at_once = train(groups, device, kind, 0);
      ASSERT_EQ(at_once.results.size(), static_cast<std::size_t>(kSteps));
      EXPECT_LT(at_once.results.back().first, at_once.results.front().first);
      for (const std::size_t under_way : {1, 3}) {
        const Course later = train(groups, device, kind, under_way);
        EXPECT_EQ(later.results, at_once.results) << device;
        EXPECT_TRUE(at::equal(later.weights.back(), at_once.weights.back())) << device;
      }
    }
  }
}

TEST(StartedSteps, NeitherTheOneThatFailsNorALaterOneChangesTheWeights) {
  const MeshGroups groups = lone_mesh_groups();
  for (const at::Device device : devices()) {
    for (const auto kind : kKinds) {
      const Course whole = train(groups, device, kind, 0);
      for (const Failing failing : {Failing::loss, Failing::gradient}) {
        for (const std::size_t under_way : {0, 1, 3}) {
          const Course failed = train(groups, device, kind, under_way, failing, 2);
          EXPECT_EQ(failed.results, std::vector(whole.results.begin(), whole.results.begin() + 2)) << device;
          EXPECT_THAT(failed.error, testing::AllOf(testing::HasSubstr("not finite"), testing::HasSubstr("step 3")));
          EXPECT_TRUE(at::equal(failed.weights.back(), whole.weights[2])) << "as they were before step 3, " << device;
        }
      }
    }
  }
}

TEST(StartedSteps, FailOnEveryRank) {
  const MeshGroups lone = lone_mesh_groups();
  for (const int ranks : {2, 3}) {
    const Course alone = train(lone, at::kCPU, OptimizerRule::Kind::adam, 0);
    std::vector<Course> courses(static_cast<std::size_t>(ranks));
    run_thread_mesh(ranks, [&](const ProcessGroup& world, const SplitGroup& split, int rank) {
      const MeshGroups groups = make_mesh_groups({.data = ranks}, world, split);
      courses[static_cast<std::size_t>(rank)] = train(groups, at::kCPU, OptimizerRule::Kind::adam, 1, Failing::gradient, 4);
    });
    for (const Course& course : courses) {
      EXPECT_THAT(course.error, testing::HasSubstr("step 5"));
      ASSERT_EQ(course.results.size(), 4u);
      for (std::size_t step = 0; step < course.results.size(); ++step) {
        EXPECT_NEAR(course.results[step].first, alone.results[step].first, 1e-12 * alone.results[step].first);
        EXPECT_NEAR(course.results[step].second, alone.results[step].second, 1e-12 * alone.results[step].second);
      }
      EXPECT_TRUE(at::equal(course.weights.back(), courses[0].weights.back()));
    }
  }
}

}  // namespace
}  // namespace trellis
