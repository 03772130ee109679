#include "report/work_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(WorkProgress, ALineSaysHowMuchHowFastAndHowLongStill) {
  EXPECT_EQ(work_line({.done = 40'960, .all = 163'840, .seconds = 8.192}, "tokens"), "40960 of 163840 tokens (25 %), 5000 tokens/s, 25s left");
  EXPECT_EQ(work_line({.done = 0, .all = 10, .seconds = 0}, "tokens"), "0 of 10 tokens (0 %)");
}

TEST(WorkProgress, ABarFitsItsWidthAndGivesUpWhatStandsAtItsEnd) {
  const WorkSample sample{.done = 40'960, .all = 163'840, .seconds = 8.192};
  for (int width = 0; width < 120; ++width) ASSERT_LE(static_cast<int>(work_bar(sample, "tokens", width).size()), width);
  EXPECT_THAT(work_bar(sample, "tokens", 79), HasSubstr("] 40960/163840 5000 tokens/s, 25s left"));
  EXPECT_THAT(work_bar(sample, "tokens", 40), testing::Not(HasSubstr("left")));
  EXPECT_THAT(work_bar(sample, "tokens", 40), StartsWith(" 25% [#"));
}

// What is shown of calls at these seconds, as (seconds, done) of 100.
std::string shown(Progress::Style style, const std::vector<std::pair<double, std::int64_t>>& calls) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const stream = open_memstream(&text, &size);
  {
    WorkProgress progress(stream, style, 80, "tokens", 0);
    for (const auto& [seconds, done] : calls) progress.at(done, 100, seconds);
  }
  std::fclose(stream);
  const std::string all(text, size);
  std::free(text);
  return all;
}

TEST(WorkProgress, PrintsALineEveryTenSeconds) {
  EXPECT_EQ(shown(Progress::Style::lines, {{1, 5}, {9, 20}, {10, 25}, {11, 27}, {19.9, 40}, {20, 50}}),
            "25 of 100 tokens (25 %), 2 tokens/s, 30s left\n50 of 100 tokens (50 %), 2 tokens/s, 20s left\n");
  EXPECT_EQ(shown(Progress::Style::lines, {{0.1, 100}}), "");
}

TEST(WorkProgress, ABarIsRedrawnInPlaceAndTakenOffInTheEnd) {
  const std::string all = shown(Progress::Style::bar, {{0.1, 5}, {0.3, 10}, {0.4, 20}, {1, 50}});
  EXPECT_THAT(all, StartsWith("\r 10% ["));
  EXPECT_THAT(all, HasSubstr("\r 50% ["));
  EXPECT_THAT(all, testing::Not(HasSubstr(" 20% [")));
  EXPECT_THAT(all, testing::EndsWith("\r\033[K"));
}

}  // namespace
}  // namespace trellis
