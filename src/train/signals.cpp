#include "train/signals.h"

#include <signal.h>

#include <array>

namespace trellis {
namespace {

constexpr std::array kSignals{SIGUSR1, SIGUSR2, SIGTERM, SIGINT};
volatile sig_atomic_t stop_flag = 0, checkpoint_flag = 0;  // a handler may touch nothing else
std::array<struct sigaction, kSignals.size()> former;

void on_signal(int number) {
  if (number == SIGUSR1) {
    checkpoint_flag = 1;
  } else {
    stop_flag = 1;
  }
}

}  // namespace

SignalRequests::SignalRequests() {
  stop_flag = 0;
  checkpoint_flag = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (std::size_t n = 0; n < kSignals.size(); ++n) sigaction(kSignals[n], &action, &former[n]);
}

SignalRequests::~SignalRequests() {
  for (std::size_t n = 0; n < kSignals.size(); ++n) sigaction(kSignals[n], &former[n], nullptr);
}

bool SignalRequests::stop_requested() const { return stop_flag != 0; }
bool SignalRequests::checkpoint_requested() const { return checkpoint_flag != 0; }
void SignalRequests::checkpoint_done() { checkpoint_flag = 0; }

}  // namespace trellis
