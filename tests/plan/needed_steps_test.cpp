// The needed nodes against a walk down from the result, node by node; and the places by which levels find one another.
#include "plan/needed_steps.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

struct Trellis {
  std::int64_t steps, kernel;
  std::vector<std::int64_t> dilations;  // of each level
};

// The published networks for pixel-by-pixel images: every dilation twice as large as the one below, the first one twice.
std::vector<std::int64_t> doubling(int levels) {
  std::vector<std::int64_t> dilations{1};
  for (int level = 1; level < levels; ++level) dilations.push_back(std::int64_t{1} << (level - 1));
  return dilations;
}

std::vector<Trellis> trellises() {
  std::vector<Trellis> all{{784, 2, doubling(11)}, {1024, 2, doubling(11)}, {1, 2, {1, 1}}, {1, 5, {7}}, {9, 1, {1, 2, 4}}};
  for (const std::int64_t steps : {1, 2, 7, 30}) {
    for (const std::int64_t kernel : {2, 3, 4}) {
      for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1}, {5, 3}, {1, 1, 1, 1}, {4, 2, 1}, {3, 50, 2, 6}}) {
        all.push_back({steps, kernel, dilations});
      }
    }
  }
  return all;
}

using Node = std::pair<std::int64_t, std::int64_t>;  // level, step

// What the last node is made of, itself included: from a node to those below it that its convolution sees.
std::set<Node> reached(const Trellis& t) {
  std::set<Node> nodes;
  const std::function<void(Node)> visit = [&](Node node) {
    const auto [level, step] = node;
    if (step < 0 || level < 0 || !nodes.insert(node).second) return;
    for (std::int64_t tap = 0; tap < t.kernel; ++tap) visit({level - 1, step - tap * t.dilations[static_cast<std::size_t>(level)]});
  };
  visit({static_cast<std::int64_t>(t.dilations.size()) - 1, t.steps - 1});
  return nodes;
}

TEST(NeededSteps, AreThoseThatTheLastNodeReaches) {
  for (const Trellis& t : trellises()) {
    const NeededSteps needed(t.steps, t.kernel, t.dilations);
    std::set<Node> nodes;
    std::int64_t largest = 0;
    for (std::int64_t level = 0; level < static_cast<std::int64_t>(t.dilations.size()); ++level) {
      const std::vector<std::int64_t>& steps = needed.of_level(level);
      EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
      EXPECT_EQ(std::set<std::int64_t>(steps.begin(), steps.end()).size(), steps.size()) << "each step once";
      largest = std::max(largest, static_cast<std::int64_t>(steps.size()));
      for (const std::int64_t step : steps) nodes.insert({level, step});
    }
    EXPECT_EQ(nodes, reached(t)) << t.steps << " steps, kernel " << t.kernel << ", first dilation " << t.dilations[0];
    EXPECT_EQ(needed.count(), static_cast<std::int64_t>(nodes.size()));
    EXPECT_EQ(needed.largest(), largest);
  }
}

TEST(NeededSteps, OfSequentialMnistAreAFifthOfTheNodes) {
  const NeededSteps needed(784, 2, doubling(11));
  EXPECT_EQ(needed.count(), 1'571);
  EXPECT_EQ(std::ssize(doubling(11)) * 784, 8'624);
}

TEST(NeededSteps, OfAnUndilatedTrellisFormATriangle) {
  // without dilation, level n of L is needed at the last L - n steps
  const NeededSteps needed(9, 2, std::vector<std::int64_t>(4, 1));
  EXPECT_EQ(needed.of_level(3), (std::vector<std::int64_t>{8}));
  EXPECT_EQ(needed.of_level(0), (std::vector<std::int64_t>{5, 6, 7, 8}));
  EXPECT_EQ(needed.count(), 10);
}

TEST(NeededSteps, PlacesNameTheStepThatIsADelayEarlier) {
  for (const Trellis& t : trellises()) {
    const NeededSteps needed(t.steps, t.kernel, t.dilations);
    for (std::int64_t level = 0; level < static_cast<std::int64_t>(t.dilations.size()); ++level) {
      const std::vector<std::int64_t>& steps = needed.of_level(level);
      for (std::int64_t tap = 0; tap < t.kernel; ++tap) {
        const std::int64_t delay = tap * t.dilations[static_cast<std::size_t>(level)];
        const std::vector<std::int64_t> in_input = needed.places_in_input(level, delay);
        const std::vector<std::int64_t> below = level > 0 ? needed.places_below(level, delay) : std::vector<std::int64_t>();
        ASSERT_EQ(in_input.size(), steps.size());
        ASSERT_EQ(below.size(), level > 0 ? steps.size() : 0);
        for (std::size_t n = 0; n < steps.size(); ++n) {
          const std::int64_t earlier = steps[n] - delay;
          EXPECT_EQ(in_input[n], std::max<std::int64_t>(earlier, -1));
          if (level == 0) continue;
          if (earlier < 0) {
            EXPECT_EQ(below[n], -1);
          } else {
            EXPECT_EQ(needed.of_level(level - 1).at(static_cast<std::size_t>(below[n])), earlier);
          }
        }
      }
    }
  }
}

TEST(NeededSteps, RefusesDelaysThatNoConvolutionUsesAndTrellisesOfNothing) {
  const NeededSteps needed(20, 2, {1, 4});
  EXPECT_THROW(needed.places_below(1, 3), InternalError);
  EXPECT_THROW(NeededSteps(0, 2, {1}), InternalError);
  EXPECT_THROW(NeededSteps(5, 0, {1}), InternalError);
  EXPECT_THROW(NeededSteps(5, 2, {}), InternalError);
}

}  // namespace
}  // namespace trellis
