#include "trainer/profiled_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::HasSubstr;

std::string refusal_of(const std::string& text) {
  try {
    parse_profiled_steps(text);
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("--profile 10:12"));
    return error.fact();
  }
  return "";
}

TEST(ProfiledSteps, TwoNumbersWithAColon) {
  EXPECT_EQ(parse_profiled_steps("10:12"), (ProfiledSteps{10, 12}));
  EXPECT_EQ(parse_profiled_steps("1:1"), (ProfiledSteps{1, 1}));
}

TEST(ProfiledSteps, AnythingElseIsRefused) {
  for (const char* text : {"", "5", ":", "5:", ":5", "a:b", "1:2:3", "1 :2", "1: 2", "1.5:2", "+1:2", "0x1:2", "1:99999999999999999999"}) {
    EXPECT_EQ(refusal_of(text), std::string("--profile is '") + text + "', expected A:B, two steps' numbers");
  }
  EXPECT_EQ(refusal_of("0:3"), "--profile begins with step 0, but a run's first step is 1");
  EXPECT_EQ(refusal_of("-2:3"), "--profile begins with step -2, but a run's first step is 1");
  EXPECT_EQ(refusal_of("7:6"), "--profile ends with step 6, before its first, 7");
}

TEST(ProfiledSteps, ARunThatComesByAllOfThemHasNoWarning) {
  for (const auto total : {std::optional<std::int64_t>(), std::optional<std::int64_t>(12)}) {
    const ProfilePlan plan = plan_profile({10, 12}, 9, total);
    EXPECT_EQ(plan.steps, (ProfiledSteps{10, 12}));
    EXPECT_EQ(plan.warning, "");
  }
}

TEST(ProfiledSteps, ARunThatBeginsOrEndsWithinThemShortensThem) {
  const ProfilePlan ends = plan_profile({10, 12}, 0, 11), resumed = plan_profile({10, 12}, 11, std::nullopt), both = plan_profile({10, 20}, 14, 15);
  EXPECT_EQ(ends.steps, (ProfiledSteps{10, 11}));
  EXPECT_EQ(ends.warning, "of steps 10 to 12 only steps 10 to 11 will be profiled: the run ends with step 11");
  EXPECT_EQ(resumed.steps, (ProfiledSteps{12, 12}));
  EXPECT_EQ(resumed.warning, "of steps 10 to 12 only step 12 will be profiled: the run goes on from step 11");
  EXPECT_EQ(both.steps, (ProfiledSteps{15, 15}));
  EXPECT_EQ(both.warning, "of steps 10 to 20 only step 15 will be profiled: the run goes on from step 14 and ends with step 15");
}

TEST(ProfiledSteps, ARunThatComesByNoneOfThemSaysSo) {
  const ProfilePlan behind = plan_profile({10, 12}, 12, std::nullopt), beyond = plan_profile({10, 12}, 0, 9);
  EXPECT_EQ(behind.steps, std::nullopt);
  EXPECT_EQ(behind.warning, "nothing is profiled: the run goes on from step 12, behind steps 10 to 12");
  EXPECT_EQ(beyond.steps, std::nullopt);
  EXPECT_EQ(beyond.warning, "nothing is profiled: the run ends with step 9, before steps 10 to 12");
}

}  // namespace
}  // namespace trellis
