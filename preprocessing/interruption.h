// Ctrl-C, SIGTERM and SIGHUP as something to ask for between two blocks of work, so that unfinished output is removed.
#pragma once

#include <stdexcept>

namespace trellis {

// Thrown by check_interruption(); not an Error, for the program ends by the signal itself.
struct Interrupted : std::runtime_error {
  explicit Interrupted(int number) : std::runtime_error("interrupted"), signal(number) {}
  int signal;
};

// Installs the handlers. Also makes writing beyond the file size limit an error of write() instead of a signal.
void watch_interruption();
void check_interruption();
// Ends the process by the signal, as if it had never been handled: callers and shells see 128 + its number.
[[noreturn]] void end_by_signal(int signal);

}  // namespace trellis
