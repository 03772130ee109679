#include "report/run_length.h"

#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

namespace trellis {
namespace {

using testing::HasSubstr;

// What happens at each step, counted one by one.
RunParts counted(const RunCalendar& calendar, std::int64_t after, std::int64_t to) {
  RunParts parts;
  for (std::int64_t step = after + 1; step <= to; ++step) {
    ++parts.steps;
    const std::int64_t every = calendar.validation_every > 0 ? calendar.validation_every : calendar.steps_of_pass;
    const bool validates = calendar.validates && step % every == 0;
    parts.validations += validates;
    const bool ends_pass = !calendar.validates && calendar.checkpoint_every == 0 && step % calendar.steps_of_pass == 0;
    parts.checkpoints += validates || ends_pass || (calendar.checkpoint_every > 0 && step % calendar.checkpoint_every == 0) || calendar.total_steps == step;
  }
  return parts;
}

TEST(RunLength, CountsWhatComesBetweenTwoSteps) {
  for (const bool validates : {false, true}) {
    for (const std::int64_t validation_every : {0, 3, 4, 100}) {
      for (const std::int64_t checkpoint_every : {0, 1, 6, 1000}) {
        const RunCalendar calendar{.steps_of_pass = 7, .total_steps = 42, .validates = validates, .validation_every = validation_every,
                                   .checkpoint_every = checkpoint_every};
        for (std::int64_t after = 0; after <= 42; after += 3) {
          for (std::int64_t to = after; to <= 42; ++to) EXPECT_EQ(parts_between(calendar, after, to), counted(calendar, after, to)) << after << " to " << to;
        }
      }
    }
  }
  EXPECT_EQ(parts_between({}, 9, 4), RunParts{});
}

TEST(RunLength, HugeIntervalsDoNotOverflow) {
  const RunCalendar calendar{.steps_of_pass = 5, .total_steps = 9'000'000'000'000'000'000, .validates = true, .validation_every = 3'000'000'000'000'000'001,
                             .checkpoint_every = 3'000'000'000'000'000'000};
  EXPECT_EQ(parts_between(calendar, 0, *calendar.total_steps), (RunParts{9'000'000'000'000'000'000, 2, 5}));
}

TEST(RunLength, TakesTheFirstStepForWarmUp) {
  RunPace pace;
  pace.step(60, 512);
  EXPECT_FALSE(pace.parts());
  pace.step(0.5, 512);
  pace.step(1.5, 512);
  ASSERT_TRUE(pace.parts());
  EXPECT_DOUBLE_EQ(pace.parts()->step, 1);
  EXPECT_DOUBLE_EQ(pace.scored_per_second(), 512);
  EXPECT_FALSE(pace.parts()->validation);
}

TEST(RunLength, GuessesValidationUntilItIsMeasured) {
  RunPace pace(512 * 30);
  for (int n = 0; n < 3; ++n) pace.step(2, 512);
  EXPECT_DOUBLE_EQ(*pace.parts()->validation, 20) << "thirty steps' worth, forward only";
  pace.validation(7);
  pace.checkpoint(3);
  EXPECT_DOUBLE_EQ(*pace.parts()->validation, 7);
  EXPECT_DOUBLE_EQ(*pace.parts()->checkpoint, 3);
}

class OutlookText : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }
  const std::time_t now_ = 1'700'000'000;  // Tuesday, 14 November 2023, 22:13:20
  const PartSeconds each_{.step = 0.5, .validation = 30, .checkpoint = 10};
};

TEST_F(OutlookText, SaysWhatTheWholeRunTakesAndWhenItEnds) {
  const RunCalendar calendar{.steps_of_pass = 4000, .total_steps = 12000, .validates = true};
  EXPECT_EQ(outlook_text({.calendar = calendar, .step = 10}, each_, now_),
            "about 1h42m for the whole run (12000 steps of 0.50s, 3 validations of about 30s), ends about 23:55");
  EXPECT_EQ(outlook_text({.calendar = calendar, .begun_at = 8000, .step = 8010}, each_, now_),
            "about 34m00s for the rest of the run (4000 steps of 0.50s, 1 validation of about 30s), ends about 22:47");
}

TEST_F(OutlookText, NamesALimitThatMayComeFirst) {
  const RunCalendar calendar{.steps_of_pass = 4000, .total_steps = 12000, .validates = true};
  EXPECT_THAT(outlook_text({.calendar = calendar, .step = 10, .patience = 5}, each_, now_), HasSubstr("ends about 23:55; train.patience=5 may end it sooner"));
  EXPECT_EQ(outlook_text({.calendar = calendar, .step = 100, .seconds_left = 1000, .seconds_limit = 1200}, each_, now_),
            "about 1h42m for the whole run (12000 steps of 0.50s, 3 validations of about 30s), but train.seconds=1200 stops it about 22:30, near step "
            "2100, to be resumed");
  EXPECT_THAT(outlook_text({.calendar = calendar, .step = 100, .seconds_left = 1e6, .seconds_limit = 1e6}, each_, now_), HasSubstr("), ends about 23:54"));
}

TEST_F(OutlookText, SaysWhatBoundsARunWithoutALastStep) {
  const RunCalendar calendar{.steps_of_pass = 4000, .validates = true};
  EXPECT_EQ(outlook_text({.calendar = calendar, .step = 10, .patience = 5}, each_, now_),
            "no last step is set: a step takes 0.50s, a pass of 4000 steps 34m00s; train.patience=5 ends it");
  EXPECT_EQ(outlook_text({.calendar = calendar, .step = 10, .seconds_left = 100, .seconds_limit = 110}, each_, now_),
            "no last step is set: a step takes 0.50s, a pass of 4000 steps 34m00s; train.seconds=110 stops it about 22:15, near step 210, to be resumed");
}

TEST_F(OutlookText, SurvivesAnyNumbers) {
  const RunCalendar calendar{.steps_of_pass = 1, .total_steps = 9'000'000'000'000'000'000, .validates = true};
  EXPECT_THAT(outlook_text({.calendar = calendar, .seconds_left = -5, .seconds_limit = 1e300}, {.step = 1e9}, now_), HasSubstr("about >30y"));
  EXPECT_THAT(outlook_text({.calendar = calendar, .step = 3}, {.step = 0}, now_), HasSubstr("ends about 22:13"));
}

TEST_F(OutlookText, TellsTheDayWhereItIsAnother) {
  EXPECT_EQ(clock_text(now_ + 60, now_), "22:14");
  EXPECT_EQ(clock_text(now_ + 86400, now_), "Wed 22:13");
  EXPECT_EQ(clock_text(now_ + 40 * 86400, now_), "2023-12-24 22:13");
}

}  // namespace
}  // namespace trellis
