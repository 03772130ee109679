#include "base/kept_signals.h"

namespace trellis {

KeptSignals::KeptSignals() {
  sigset_t requests;
  sigemptyset(&requests);
  for (std::size_t n = 0; n < kRequestSignals.size(); ++n) {
    sigaddset(&requests, kRequestSignals[n]);
    sigaction(kRequestSignals[n], nullptr, &actions_[n]);
  }
  pthread_sigmask(SIG_BLOCK, &requests, &held_back_before_);
}

KeptSignals::~KeptSignals() {
  for (std::size_t n = 0; n < kRequestSignals.size(); ++n) sigaction(kRequestSignals[n], &actions_[n], nullptr);
  pthread_sigmask(SIG_SETMASK, &held_back_before_, nullptr);
}

}  // namespace trellis
