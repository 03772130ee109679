// Waiting for another process by polling: first a busy wait that yields the core, then short sleeps.
#pragma once

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>

#include "base/errors.h"

namespace trellis {

using TimeoutError = CategorizedError<ExitCode::watchdog>;

struct Patience {
  std::chrono::steady_clock::time_point deadline;  // after it, TimeoutError
  std::chrono::microseconds spin;                  // how long before sleeping: long for a caller that has nothing else to
                                                   // do, short for a thread beside compute threads
  std::string operation;                           // for the error message
  const std::atomic<bool>* cancelled = nullptr;    // once true, TimeoutError as well
  const std::function<void()>* look = nullptr;     // called now and then in a long wait: throws what it finds to be wrong
};

// Returns when done() does; throws TimeoutError after the deadline.
template <class Done>
void poll_until(Done&& done, const Patience& patience) {
  for (int i = 0; i < 100; ++i)
    if (done()) return;
  const auto start = std::chrono::steady_clock::now();
  std::chrono::steady_clock::duration next_look = std::chrono::milliseconds(10);
  for (;;) {
    for (int i = 0; i < 10; ++i) {
      if (done()) return;
      sched_yield();
    }
    const auto now = std::chrono::steady_clock::now();
    if (patience.cancelled && *patience.cancelled) throw TimeoutError(patience.operation + " was cancelled", "", "");
    if (now > patience.deadline)
      throw TimeoutError(patience.operation + " has not ended within its timeout", "",
                         "look at the other ranks' messages: one of them has stopped, or does something else");
    if (patience.look && now - start > next_look) {
      (*patience.look)();
      next_look += std::min<std::chrono::steady_clock::duration>(next_look, std::chrono::seconds(1));
    }
    if (now - start > patience.spin) {
      const timespec pause = {0, 20'000};
      nanosleep(&pause, nullptr);
    }
  }
}

}  // namespace trellis
