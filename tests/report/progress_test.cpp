#include "report/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <string>

#include "base/log.h"

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::Not;

ProgressSample sample_at(std::int64_t step) {
  return {.step = step,
          .total_steps = 450,
          .epoch = 1,
          .loss_nats = 6.7123,
          .learning_rate = 0.002,
          .gradient_norm = 0.3104,
          .scored_per_second = 2810.2,
          .eta_seconds = 123};
}

// What a Progress wrote to its stream.
class Capture {
 public:
  Capture() : stream_(open_memstream(&text_, &size_)) {}
  ~Capture() {
    std::fclose(stream_);
    std::free(text_);
  }
  std::FILE* stream() { return stream_; }
  std::string text() {
    std::fflush(stream_);
    return std::string(text_, size_);
  }

 private:
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* stream_;
};

TEST(ProgressLine, SaysEverythingOnOneLine) {
  EXPECT_EQ(progress_line(sample_at(120)),
            "step 120/450 epoch 1 loss 6.7123 ppl 822.5 lr 0.002 |g| 0.31 2810 tokens/s eta 2m03s");
}

TEST(ProgressLine, LeavesOutWhatIsNotKnown) {
  ProgressSample sample = sample_at(120);
  sample.total_steps.reset();
  sample.eta_seconds.reset();
  EXPECT_EQ(progress_line(sample), "step 120 epoch 1 loss 6.7123 ppl 822.5 lr 0.002 |g| 0.31 2810 tokens/s");
}

TEST(ProgressLine, ShowsADivergedRunAsItIs) {
  ProgressSample sample = sample_at(3);
  sample.loss_nats = std::numeric_limits<double>::quiet_NaN();
  sample.gradient_norm = std::numeric_limits<double>::infinity();
  EXPECT_THAT(progress_line(sample), HasSubstr("loss nan ppl nan lr 0.002 |g| inf"));
}

TEST(ProgressBar, HasPercentBarAndFacts) {
  EXPECT_EQ(progress_bar(sample_at(225), 90),
            " 50% [##############---------------] 225/450 2810 tokens/s eta 2m03s loss 6.7123 ppl 822.5");
}

TEST(ProgressBar, NeverGrowsWiderThanTheTerminal) {
  for (std::int64_t step : {0, 1, 225, 449, 450, 9999}) {
    for (int width = -1; width <= 300; ++width) {
      const int length = static_cast<int>(progress_bar(sample_at(step), width).size());
      EXPECT_LE(length, std::max(width, 0));
      ProgressSample endless = sample_at(step);
      endless.total_steps.reset();
      EXPECT_LE(static_cast<int>(progress_bar(endless, width).size()), std::max(width, 0));
    }
  }
}

TEST(ProgressBar, GivesUpTheLastFactsFirst) {
  EXPECT_THAT(progress_bar(sample_at(225), 40), HasSubstr("225/450"));
  EXPECT_THAT(progress_bar(sample_at(225), 40), Not(HasSubstr("ppl")));
}

TEST(ProgressBar, IsFullAtTheEndAndNotBeyond) {
  for (std::int64_t step : {450, 451, 1'000'000}) {
    EXPECT_THAT(progress_bar(sample_at(step), 200), HasSubstr("100% [########################################]"));
  }
}

TEST(ProgressBar, HasNoPercentWhereNobodyKnowsTheEnd) {
  ProgressSample sample = sample_at(120);
  sample.total_steps.reset();
  sample.eta_seconds.reset();
  EXPECT_EQ(progress_bar(sample, 80), "120 2810 tokens/s loss 6.7123 ppl 822.5");
  sample.total_steps = 0;
  EXPECT_EQ(progress_bar(sample, 80), "120 2810 tokens/s loss 6.7123 ppl 822.5");
}

TEST(Progress, IntoAFileWritesLinesAlone) {
  Capture capture;
  {
    Progress progress(capture.stream(), Progress::Style::lines, 80);
    for (int step = 1; step <= 20; ++step) {
      progress.step(sample_at(step), step);
      if (step % 10 == 0) progress.note(progress_line(sample_at(step)));
    }
    progress.note("validation at step 20");
  }
  EXPECT_THAT(capture.text(), testing::ContainsRegex("^step 10/450 [^\r]*\nstep 20/450 [^\r]*\nvalidation at step 20\n$"));
}

TEST(Progress, RedrawsTheBarInPlaceAtMostFiveTimesASecondAndAtTheEnd) {
  Capture capture;
  {
    Progress progress(capture.stream(), Progress::Style::bar, 80);
    for (int step = 1; step <= 450; ++step) progress.step(sample_at(step), step * 0.01);
  }
  const std::string text = capture.text();
  const auto drawn = std::count(text.begin(), text.end(), '\r');
  EXPECT_GE(drawn, 20);
  EXPECT_LE(drawn, 24);
  EXPECT_THAT(text, HasSubstr("100%"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_TRUE(text.ends_with("\n"));
}

TEST(Progress, ALineTakesTheBarAwayFirstAndStaysAboveIt) {
  Capture capture;
  {
    Progress progress(capture.stream(), Progress::Style::bar, 80);
    progress.step(sample_at(1), 0);
    progress.note(progress_line(sample_at(1)));
    EXPECT_THAT(capture.text(), HasSubstr("\r\033[Kstep 1/450 "));
    EXPECT_TRUE(capture.text().ends_with("\n"));
    progress.step(sample_at(2), 0.01);
    EXPECT_THAT(capture.text(), HasSubstr("2/450")) << "the bar comes back with the next step";
  }
}

TEST(Progress, AMessageOfTheLogTakesTheBarAwayFirst) {
  Capture capture;
  {
    Progress progress(capture.stream(), Progress::Style::bar);
    progress.step(sample_at(1), 0);
    log_info("a message");
    EXPECT_TRUE(capture.text().ends_with("\r\033[K"));
  }
  const std::string before = capture.text();
  log_info("another one, of which no bar knows");
  EXPECT_EQ(capture.text(), before);
}

TEST(Progress, IsPlainLinesWhenTheStreamIsNoTerminal) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(Progress(file).style(), Progress::Style::lines);
  std::fclose(file);
}

TEST(Progress, TheStyleMayBeGiven) {
  std::FILE* file = std::tmpfile();
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(Progress(file, Progress::Style::bar).style(), Progress::Style::bar);
  EXPECT_EQ(Progress(file, Progress::Style::lines).style(), Progress::Style::lines);
  std::fclose(file);
}

TEST(Progress, AFullDiskDoesNotEndTheRun) {
  std::FILE* full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  Progress progress(full, Progress::Style::lines, 80);
  EXPECT_NO_THROW(progress.step(sample_at(1), 0));
  EXPECT_NO_THROW(progress.note("a note"));
}

}  // namespace
}  // namespace trellis
