#include "report/heartbeat.h"

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vector>

namespace trellis {
namespace {

// What a heartbeat said.
class Heard {
 public:
  void operator()(const std::string& line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(line);
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  // Until there are so many, for as long as a busy machine may need.
  bool wait_for(std::size_t count) {
    for (int n = 0; n < 2000 && lines().size() < count; ++n) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return lines().size() >= count;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

TEST(Heartbeat, SpeaksOfWhatTakesLongAgainAndAgain) {
  Heard heard;
  Heartbeat heartbeat(0.02, [&](const std::string& line) { heard(line); });
  heartbeat.doing([](double seconds) { return seconds >= 0.02 ? "long" : "too soon"; });
  ASSERT_TRUE(heard.wait_for(3));
  heartbeat.rest();
  const std::size_t said = heard.lines().size();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(heard.lines().size(), said) << "at rest nothing is said";
  EXPECT_THAT(heard.lines(), testing::Each("long"));
}

TEST(Heartbeat, IsSilentWhileWorkIsShort) {
  Heard heard;
  Heartbeat heartbeat(60, [&](const std::string& line) { heard(line); });
  for (int step = 0; step < 1000; ++step) heartbeat.doing([step](double) { return std::to_string(step); });
  EXPECT_THAT(heard.lines(), testing::IsEmpty());
}

TEST(Heartbeat, CountsASilenceOverManyPiecesOfWork) {
  Heard heard;
  Heartbeat heartbeat(0.05, [&](const std::string& line) { heard(line); });
  for (int n = 0; n < 2000 && heard.lines().empty(); ++n) {
    heartbeat.doing([n](double) { return std::to_string(n); }, Heartbeat::Silence::goes_on);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(heard.lines(), testing::Not(testing::IsEmpty()));
}

TEST(Heartbeat, SpeaksOfNothingThatIsOver) {
  Heard heard;
  Heartbeat heartbeat(0.005, [&](const std::string& line) { heard(line); });
  for (int n = 0; n < 50; ++n) {
    bool going_on = true;
    heartbeat.doing([&going_on](double) { return going_on ? "now" : "late"; });
    std::this_thread::sleep_for(std::chrono::milliseconds(n % 10));
    heartbeat.rest();
    going_on = false;
  }
  EXPECT_THAT(heard.lines(), testing::Each("now"));
}

TEST(Heartbeat, EndsAtOnce) {
  const auto begun = std::chrono::steady_clock::now();
  { Heartbeat heartbeat(3600, [](const std::string&) {}); }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60));
}

}  // namespace
}  // namespace trellis
