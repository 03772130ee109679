// What a program does on requests from outside (base/process_start.h) is its own: some libraries take signals for themselves when they
// are loaded or initialised. UCX, which Open MPI uses, takes SIGHUP to wait for a debugger.
#pragma once

#include <signal.h>

#include <array>

namespace trellis {

inline constexpr std::array kRequestSignals = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU};

// As long as it lives, the requests of this thread are held back; then each does what it did before, and comes. For the time before a
// second thread is there, whose signals it would not hold back.
class KeptSignals {
 public:
  KeptSignals();
  ~KeptSignals();
  KeptSignals(const KeptSignals&) = delete;
  KeptSignals& operator=(const KeptSignals&) = delete;

 private:
  sigset_t held_back_before_;
  std::array<struct sigaction, kRequestSignals.size()> actions_{};
};

}  // namespace trellis
