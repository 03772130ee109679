#include "base/process_start.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <optional>

#include "base/current_error.h"
#include "base/kept_signals.h"
#include "base/last_words.h"
#include "base/log.h"
#include "base/stop_request.h"

namespace trellis {
namespace {

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;  // no read, write or fsync fails for a signal
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

bool is_ignored(int number) {
  struct sigaction action {};
  return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

void take_signals() {
  for (const int number : kRequestSignals) {
    if (number != SIGHUP || !is_ignored(SIGHUP)) handle(number, note_signal);
  }
  for (const int number : {SIGPIPE, SIGXFSZ}) handle(number, SIG_IGN);
}

// Of a soft limit that is the hard one, as `ulimit -t` sets them, the kernel gives no warning. What is left after it has to do for
// a checkpoint: a tenth, from a second to a minute.
void warn_before_cpu_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_CPU, &limit) != 0 || limit.rlim_max == RLIM_INFINITY || limit.rlim_cur < limit.rlim_max || limit.rlim_max < 2) return;
  limit.rlim_cur = limit.rlim_max - std::clamp<rlim_t>(limit.rlim_max / 10, 1, 60);
  setrlimit(RLIMIT_CPU, &limit);
}

void open_closed_streams() {
  constexpr int modes[] = {O_RDONLY, O_RDONLY /* so that writing fails */, O_WRONLY};
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) != -1 || errno != EBADF) continue;
    // the lowest that is free, which is this one
    if (open("/dev/null", modes[descriptor]) < 0) return;
  }
}

[[noreturn]] void end_by_exception() {
  ExitCode code = ExitCode::internal;
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
    log_error("terminated without an exception");
  } catch (...) {
    try {
      const Error error = current_error();
      code = error.code();
      log_ending(error);
    } catch (...) {  // not even memory for that
      constexpr char text[] = "error: out of memory\n";
      code = ExitCode::wrong_setting;
      [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    }
  }
  say_last_words(code);
  std::_Exit(static_cast<int>(code));
}

void prepare() {
  std::set_terminate(end_by_exception);
  open_closed_streams();
  take_signals();
  warn_before_cpu_limit();
}

constinit std::optional<KeptSignals> until_main;  // set before the initialisation of other globals, which must not undo it
void prepare_before_libraries() {
  prepare();
  until_main.emplace();
}
// The dynamic linker calls what stands here after it has loaded and linked all libraries, and before it initialises any but libc.
using Function = void (*)();
[[gnu::section(".preinit_array"), gnu::used]] const Function before_libraries = prepare_before_libraries;

}  // namespace

void prepare_process() {
  until_main.reset();
  prepare();
}

}  // namespace trellis
