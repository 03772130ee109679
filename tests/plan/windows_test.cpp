#include "plan/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::HasSubstr;

// The definition, walked one window after the other.
std::vector<Window> enumerate(std::int64_t lane_length, std::int64_t steps, std::int64_t discard, WindowUse use) {
  std::vector<Window> windows;
  for (std::int64_t start = 0;; start += steps - discard) {
    std::int64_t length = 0;
    while (length < steps && start + length + 1 < lane_length) ++length;
    const std::int64_t without_loss = use == WindowUse::evaluation && start == 0 ? 0 : discard;
    if (length <= without_loss || (start > 0 && length <= discard)) return windows;
    windows.push_back({start, length, without_loss});
  }
}

TEST(WindowPlan, EqualsTheEnumerationForEverySmallCase) {
  for (const WindowUse use : {WindowUse::training, WindowUse::evaluation})
    for (std::int64_t tokens = 0; tokens <= 60; ++tokens)
      for (std::int64_t lanes = 1; lanes <= 4; ++lanes)
        for (std::int64_t steps = 1; steps <= 9; ++steps)
          for (std::int64_t discard = 0; discard < steps; ++discard) {
            // in evaluation the windows are those of the longest lane
            const bool uneven = use == WindowUse::evaluation && tokens % lanes > 0;
            const auto expected = enumerate(tokens / lanes + (uneven ? 1 : 0), steps, discard, use);
            if (expected.empty() || tokens / lanes < 2) {
              EXPECT_THROW(WindowPlan(tokens, lanes, steps, discard, use, "here"), ConfigError);
              continue;
            }
            const WindowPlan plan(tokens, lanes, steps, discard, use, "here");
            ASSERT_EQ(plan.windows(), static_cast<std::int64_t>(expected.size()))
                << tokens << " " << lanes << " " << steps << " " << discard;
            std::int64_t scored = 0;
            for (std::int64_t k = 0; k < plan.windows(); ++k) {
              ASSERT_EQ(plan.window(k), expected[static_cast<std::size_t>(k)])
                  << tokens << " " << lanes << " " << steps << " " << discard << " " << k;
              for (std::int64_t lane = 0; lane < lanes; ++lane)
                scored += std::max<std::int64_t>(0, plan.steps_of_lane(lane, plan.window(k)) - plan.window(k).discard);
            }
            ASSERT_EQ(plan.scored_tokens(), scored);
          }
}

TEST(WindowPlan, EvaluationScoresEveryTokenButTheFirstExactlyOnce) {
  for (std::int64_t length = 2; length <= 50; ++length)
    for (std::int64_t steps = 1; steps <= 9; ++steps)
      for (std::int64_t discard = 0; discard < steps; ++discard) {
        const WindowPlan plan(length, 1, steps, discard, WindowUse::evaluation, "here");
        std::vector<int> scored(static_cast<std::size_t>(length), 0);
        for (std::int64_t k = 0; k < plan.windows(); ++k)
          for (std::int64_t step = plan.window(k).discard; step < plan.window(k).steps; ++step)
            ++scored[static_cast<std::size_t>(plan.window(k).start + step + 1)];
        std::vector<int> expected(static_cast<std::size_t>(length), 1);
        expected[0] = 0;
        ASSERT_EQ(scored, expected) << length << " " << steps << " " << discard;
      }
}

TEST(WindowPlan, LanesTileTheTokensThatFit) {
  const WindowPlan plan(103'227'021, 40, 75, 0, WindowUse::training, "here");
  EXPECT_EQ(plan.lane_length(), 2'580'675);
  EXPECT_EQ(plan.lane(0), (Range{0, 2'580'675}));
  EXPECT_EQ(plan.lane(39), (Range{39 * 2'580'675, 103'227'000}));
  EXPECT_EQ(plan.windows(), 34'409);  // ceil(2,580,674 / 75)
  EXPECT_EQ(plan.window(34'408), (Window{2'580'600, 74, 0}));
}

// How often each token of the split is scored by a plan's lanes, and that no lane reads what is not there.
std::vector<int> times_scored(const WindowPlan& plan, std::int64_t tokens) {
  std::vector<int> scored(static_cast<std::size_t>(tokens), 0);
  for (std::int64_t lane = 0; lane < plan.lanes(); ++lane) {
    const Range range = plan.lane(lane);
    EXPECT_GE(range.begin, 0);
    EXPECT_LE(range.end, tokens);
    EXPECT_LE(range.size(), plan.lane_length());
    for (std::int64_t k = 0; k < plan.windows(); ++k) {
      const Window window = plan.window(k);
      EXPECT_LE(plan.steps_of_lane(lane, window), window.steps);
      for (std::int64_t step = window.discard; step < plan.steps_of_lane(lane, window); ++step) {
        if (window.start + step >= plan.overlap(lane)) ++scored[static_cast<std::size_t>(range.begin + window.start + step + 1)];
      }
    }
  }
  return scored;
}

TEST(WindowPlan, LanesWithContextScoreEveryTokenButTheFirstExactlyOnce) {
  int accepted = 0;
  for (std::int64_t tokens = 2; tokens <= 70; ++tokens)
    for (std::int64_t lanes = 1; lanes <= 9; ++lanes)
      for (std::int64_t context = 1; context <= 80; context += context < 10 ? 1 : 23)
        for (const std::int64_t discard : {0, 2}) {
          const auto plan_of = [&] { return WindowPlan(tokens, lanes, 5, discard, WindowUse::evaluation, "here", context); };
          if (lanes > tokens - 1) {
            EXPECT_THROW(plan_of(), ConfigError);
            continue;
          }
          ++accepted;
          const WindowPlan plan = plan_of();
          std::vector<int> expected(static_cast<std::size_t>(tokens), 1);
          expected[0] = 0;
          ASSERT_EQ(times_scored(plan, tokens), expected) << tokens << " tokens, " << lanes << " lanes, context " << context << ", discard " << discard;
          ASSERT_EQ(plan.scored_tokens(), tokens - 1);
          ASSERT_EQ(plan.left_out(), 0);
          // as much context as was asked for, or all that there is
          for (std::int64_t lane = 1; lane < lanes; ++lane) {
            ASSERT_TRUE(plan.overlap(lane) == context || (plan.overlap(lane) < context && plan.lane(lane).begin == 0));
          }
        }
  EXPECT_GT(accepted, 5000);
}

TEST(WindowPlan, LanesWithContextBeginWhereAWindowOfOneLaneBegins) {
  for (const std::int64_t discard : {0, 3}) {
    const WindowPlan plan(5003, 11, 13, discard, WindowUse::evaluation, "here", 70);
    for (std::int64_t lane = 0; lane < 11; ++lane) {
      EXPECT_EQ(plan.lane(lane).begin % (13 - discard), 0);
      EXPECT_NEAR(static_cast<double>(plan.lane(lane).size()), 5003.0 / 11 + (lane > 0 ? 70 : 0), 14);
    }
  }
}

TEST(WindowPlan, LanesWithoutContextTileTheSplitAndOnlyTheirFirstTokensAreNotScored) {
  for (std::int64_t tokens = 2; tokens <= 50; ++tokens)
    for (std::int64_t lanes = 1; lanes <= tokens / 2; ++lanes)
      for (const std::int64_t discard : {0, 2}) {
        const WindowPlan plan(tokens, lanes, 5, discard, WindowUse::evaluation, "here");
        std::vector<int> expected(static_cast<std::size_t>(tokens), 1);
        std::int64_t begin = 0;
        for (std::int64_t lane = 0; lane < lanes; ++lane) {
          ASSERT_EQ(plan.overlap(lane), 0);
          ASSERT_EQ(plan.lane(lane).begin, begin);
          expected[static_cast<std::size_t>(begin)] = 0;
          begin = plan.lane(lane).end;
        }
        ASSERT_EQ(begin, tokens);
        ASSERT_EQ(times_scored(plan, tokens), expected) << tokens << " tokens, " << lanes << " lanes, discard " << discard;
        ASSERT_EQ(plan.scored_tokens(), tokens - lanes);
      }
}

TEST(WindowPlan, CutAsForTrainingItTellsWhatItLeavesOut) {
  const WindowPlan plan(421, 200, 5, 0, WindowUse::training, "here");
  EXPECT_EQ(plan.scored_tokens(), 200);
  EXPECT_EQ(plan.left_out(), 21);
}

std::string refusal(std::int64_t tokens, std::int64_t lanes, std::int64_t steps, std::int64_t discard,
                    WindowUse use = WindowUse::training) {
  try {
    WindowPlan(tokens, lanes, steps, discard, use, "split 'valid'");
  } catch (const ConfigError& error) {
    EXPECT_EQ(static_cast<int>(error.code()), 78);
    return error.what();
  }
  return "accepted";
}

TEST(WindowPlan, RefusesWhatCannotBeTrained) {
  EXPECT_THAT(refusal(7, 4, 5, 0),
              HasSubstr("7 tokens in 4 lanes leave 1 for each, expected at least 2\n  where: split 'valid'"));
  EXPECT_THAT(refusal(9, 1, 20, 8), HasSubstr("leave 9 for each, expected at least 10"));
  EXPECT_EQ(refusal(10, 1, 20, 8), "accepted");
  EXPECT_EQ(refusal(2, 1, 20, 8, WindowUse::evaluation), "accepted");
  EXPECT_THAT(refusal(100, 0, 5, 0), HasSubstr("0 lanes, expected at least 1"));
  EXPECT_THAT(refusal(100, 1, 0, 0), HasSubstr("windows of 0 steps"));
  EXPECT_THAT(refusal(100, 1, 5, 5), HasSubstr("5 discarded steps in windows of 5 steps, expected 0 to 4"));
  EXPECT_THAT(refusal(100, 1, 5, -1), HasSubstr("-1 discarded steps"));
}

}  // namespace
}  // namespace trellis
