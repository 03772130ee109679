#include "preprocessing/interruption.h"

#include <csignal>
#include <cstdlib>

namespace trellis {
namespace {

volatile std::sig_atomic_t received = 0;  // a handler can reach nothing but a global

void remember(int signal) { received = signal; }

}  // namespace

void watch_interruption() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;  // no read or fsync fails for it
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
}

void check_interruption() {
  if (received != 0) throw Interrupted(received);
}

void end_by_signal(int signal) {
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  std::_Exit(128 + signal);
}

}  // namespace trellis
