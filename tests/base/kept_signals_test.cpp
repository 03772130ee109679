#include "base/kept_signals.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

int ours = 0, theirs = 0;

TEST(KeptSignals, AreOursAgainAndNoneIsLost) {
  signal(SIGHUP, [](int) { ++ours; });
  signal(SIGUSR1, SIG_IGN);
  {
    const KeptSignals kept;
    signal(SIGHUP, [](int) { ++theirs; });  // a library
    signal(SIGUSR1, [](int) { ++theirs; });
    raise(SIGHUP);
    raise(SIGUSR1);
    EXPECT_EQ(ours + theirs, 0);
  }
  EXPECT_EQ(ours, 1);
  raise(SIGUSR1);
  EXPECT_EQ(theirs, 0);
  sigset_t held_back;
  pthread_sigmask(SIG_SETMASK, nullptr, &held_back);
  for (const int number : kRequestSignals) EXPECT_FALSE(sigismember(&held_back, number));
}

}  // namespace
}  // namespace trellis
