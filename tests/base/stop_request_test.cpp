#include "base/stop_request.h"

#include <gtest/gtest.h>

#include <csignal>

namespace trellis {
namespace {

class StopRequests : public testing::Test {
 protected:
  StopRequests() { forget_requests(); }
  ~StopRequests() override { forget_requests(); }
};

TEST_F(StopRequests, TheFirstSignalIsTheOneThatAsked) {
  EXPECT_EQ(stop_requested(), std::nullopt);
  EXPECT_NO_THROW(throw_if_stop_requested());
  note_signal(SIGHUP);
  note_signal(SIGTERM);
  EXPECT_EQ(stop_requested(), SIGHUP);
  EXPECT_FALSE(checkpoint_requested());
}

TEST_F(StopRequests, ACheckpointIsAskedForUntilItIsMade) {
  note_signal(SIGUSR1);
  EXPECT_EQ(stop_requested(), std::nullopt);
  EXPECT_TRUE(checkpoint_requested());
  checkpoint_request_met();
  EXPECT_FALSE(checkpoint_requested());
}

TEST_F(StopRequests, AStopIsAnErrorOfItsOwnCodeThatNamesTheSignal) {
  note_signal(SIGXCPU);
  try {
    throw_if_stop_requested();
    FAIL() << "nothing is thrown";
  } catch (const StopRequested& stop) {
    EXPECT_EQ(stop.code(), ExitCode::stopped_early);
    EXPECT_EQ(stop.signal(), SIGXCPU);
    EXPECT_EQ(stop.fact(), "stopped by SIGXCPU, with nothing to save");
  }
}

TEST_F(StopRequests, WorkThatAnswersStopsIsNotInterrupted) {
  note_signal(SIGTERM);
  {
    const AnswersStops outer;
    {
      const AnswersStops inner;
    }
    EXPECT_TRUE(AnswersStops::any());
    EXPECT_NO_THROW(throw_if_stop_requested());
    EXPECT_EQ(stop_requested(), SIGTERM);
  }
  EXPECT_FALSE(AnswersStops::any());
  EXPECT_THROW(throw_if_stop_requested(), StopRequested);
}

}  // namespace
}  // namespace trellis
