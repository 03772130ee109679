#include "report/wording.h"

#include <gtest/gtest.h>
#include <limits>
#include <string>

#include "report/memory.h"

namespace trellis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();

TEST(Format, DurationsUseTheTwoLargestUnits) {
  EXPECT_EQ(format_duration(0), "0.00s");
  EXPECT_EQ(format_duration(0.00123), "1.2ms");
  EXPECT_EQ(format_duration(1e-7), "0.0001ms");
  EXPECT_EQ(format_duration(0.00994), "9.9ms");
  EXPECT_EQ(format_duration(0.00996), "0.01s");
  EXPECT_EQ(format_duration(0.314), "0.31s");
  EXPECT_EQ(format_duration(9.999), "10s");
  EXPECT_EQ(format_duration(59.4), "59s");
  EXPECT_EQ(format_duration(59.6), "1m00s");
  EXPECT_EQ(format_duration(123), "2m03s");
  EXPECT_EQ(format_duration(3599.9), "1h00m");
  EXPECT_EQ(format_duration(3720), "1h02m");
  EXPECT_EQ(format_duration(86400 * 3 + 3600 * 4), "3d04h");
}

TEST(Format, DurationsThatMeanNothingAreAQuestionMark) {
  for (double seconds : {-1.0, kNan, kInfinity, -kInfinity}) EXPECT_EQ(format_duration(seconds), "?");
  EXPECT_EQ(format_duration(1e300), ">30y");
}

TEST(Format, CountsKeepThreeDigits) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(2810.4), "2810");
  EXPECT_EQ(format_count(9999.4), "9999");
  EXPECT_EQ(format_count(9999.6), "10.0k");
  EXPECT_EQ(format_count(28100), "28.1k");
  EXPECT_EQ(format_count(999'600), "1.00M");
  EXPECT_EQ(format_count(2'088'628), "2.09M");
  EXPECT_EQ(format_count(1.3e9), "1.30G");
  EXPECT_EQ(format_count(-28100), "-28.1k");
  EXPECT_EQ(format_count(kNan), "?");
  EXPECT_EQ(format_count(kInfinity), "inf");
}

TEST(Format, BytesAreInPowersOf1024) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.0 KiB");
  EXPECT_EQ(format_bytes(204 * 1024 * 1024), "204.0 MiB");
  EXPECT_EQ(format_bytes(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(format_bytes(-1), "?");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::int64_t>::max()), "8192.0 PiB");
}

TEST(Format, LossesAndPerplexitiesOfADivergedRunAreStillText) {
  EXPECT_EQ(format_loss(6.71234), "6.7123");
  EXPECT_EQ(format_loss(-kNan), "nan");
  EXPECT_EQ(format_loss(kInfinity), "inf");
  EXPECT_EQ(format_loss(1e300), "1e+300");
  EXPECT_EQ(format_perplexity(0), "1.00");
  EXPECT_EQ(format_perplexity(6.71), "820.6");
  EXPECT_EQ(format_perplexity(20.92), "1.22e+09");
  EXPECT_EQ(format_perplexity(1e6), "inf");
  EXPECT_EQ(format_perplexity(kNan), "nan");
}

TEST(Memory, ReadsBothValuesOutOfAProcessStatus) {
  const ProcessMemory memory =
      parse_process_status("Name:\ttrellis\nVmHWM:\t   2048 kB\nVmRSS:\t    512 kB\nThreads:\t1\n");
  EXPECT_EQ(memory.peak_bytes, 2048 * 1024);
  EXPECT_EQ(memory.resident_bytes, 512 * 1024);
}

TEST(Memory, IsEmptyWhereTheSystemDoesNotTell) {
  for (const char* text : {"", "VmRSS:", "VmRSS:\n", "VmRSS: many kB", "VmRSS: 5 MB", "NotVmRSS: 5 kB", "VmRSS: kB"}) {
    EXPECT_EQ(parse_process_status(text).resident_bytes, std::nullopt) << text;
  }
}

TEST(Memory, OfThisProcessGrowsWithWhatItHolds) {
  const ProcessMemory before = process_memory();
  ASSERT_TRUE(before.resident_bytes && before.peak_bytes);
  constexpr std::int64_t kHeld = 64 << 20;
  const std::string held(kHeld, 'x');
  const ProcessMemory after = process_memory();
  EXPECT_GT(*after.resident_bytes, *before.resident_bytes + kHeld / 2) << held.size();
  EXPECT_GE(*after.peak_bytes, *after.resident_bytes - (1 << 20));
}

}  // namespace
}  // namespace trellis
