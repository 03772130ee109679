#include "trainer/run_calendar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "trainer/stop_rules.h"

namespace trellis {
namespace {

using testing::HasSubstr;

TrainSettings limits(std::int64_t steps, std::int64_t epochs) {
  TrainSettings settings;
  settings.steps = steps;
  settings.epochs = epochs;
  return settings;
}

TEST(EndText, NamesTheLimitThatEndsTheRunAndTheOneThatDoesNot) {
  EXPECT_EQ(end_text(limits(450, 0), 4079), "the run ends at step 450 (train.steps=450), after 0.11 passes; a pass has 4079 steps");
  EXPECT_EQ(end_text(limits(450, 3), 4079),
            "the run ends at step 450 (train.steps=450), after 0.11 passes; a pass has 4079 steps; train.epochs=3 would be step 12237");
  EXPECT_EQ(end_text(limits(0, 3), 4079), "the run ends at step 12237 (train.epochs=3), after 3 passes; a pass has 4079 steps");
  EXPECT_EQ(end_text(limits(99999, 1), 4079),
            "the run ends at step 4079 (train.epochs=1), after 1 pass; a pass has 4079 steps; train.steps=99999 would be later");
}

TEST(EndText, NamesWhatMayEndItSooner) {
  TrainSettings settings = limits(450, 0);
  settings.patience = 5;
  settings.seconds = 3600;
  EXPECT_THAT(end_text(settings, 4079), HasSubstr("; or sooner, by train.patience=5 or train.seconds=3600"));
  settings.steps = 0;
  EXPECT_EQ(end_text(settings, 4079), "the run ends by train.patience=5 or train.seconds=3600; a pass has 4079 steps");
  EXPECT_EQ(end_text({}, 1), "a pass has 1 step");
}

TEST(EndText, PassesWithoutEndDoNotOverflow) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(steps_of_passes(kMost, 4079), kMost);
  EXPECT_EQ(total_steps(limits(450, kMost), 4079), 450);
}

TEST(Longer, DoublesTheLimitThatEndedTheRun) {
  EXPECT_EQ(longer(limits(450, 3), "steps"), "train.steps=900");
  EXPECT_EQ(longer(limits(450, 3), "epochs"), "train.epochs=6");
  EXPECT_EQ(longer(limits(450, 3), "signal"), std::nullopt);
}

TEST(RunCalendarOfSettings, FollowsThem) {
  Settings settings;
  settings.train.epochs = 2;
  settings.valid.every = 9;
  settings.checkpoint.every = 4;
  const RunCalendar calendar = run_calendar(settings, 20, true);
  EXPECT_EQ(calendar.total_steps, 40);
  EXPECT_EQ(parts_between(calendar, 0, 40), (RunParts{40, 4, 13}));
}

TEST(StepsOfTextPass, CountWindowsAndTogetherWithAccumulation) {
  TrainSettings settings;
  settings.lanes = 4, settings.window = 10;
  EXPECT_EQ(steps_of_text_pass(404, settings, "text"), 10);
  settings.accumulate = 3;
  EXPECT_EQ(steps_of_text_pass(404, settings, "text"), 4);
}

}  // namespace
}  // namespace trellis
