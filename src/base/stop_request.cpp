#include "base/stop_request.h"

#include <signal.h>

#include <atomic>
#include <cstring>

namespace trellis {
namespace {

// A handler can reach nothing but globals, and set nothing but these.
std::atomic<int> stop_signal = 0;
std::atomic<bool> checkpoint_flag = false;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

std::atomic<int> answering = 0;

}  // namespace

StopRequested::StopRequested(int signal)
    : CategorizedError("stopped by " + signal_name(signal) + ", with nothing to save", "", ""), signal_(signal) {}

std::optional<int> stop_requested() {
  const int signal = stop_signal;
  return signal == 0 ? std::nullopt : std::optional(signal);
}

void throw_if_stop_requested() {
  if (AnswersStops::any()) return;
  if (const std::optional<int> signal = stop_requested()) throw StopRequested(*signal);
}

bool checkpoint_requested() { return checkpoint_flag; }
void checkpoint_request_met() { checkpoint_flag = false; }

void note_signal(int number) noexcept {
  if (number == SIGUSR1) {
    checkpoint_flag = true;
  } else {
    int none = 0;
    stop_signal.compare_exchange_strong(none, number);
  }
}

void forget_requests() {
  stop_signal = 0;
  checkpoint_flag = false;
}

std::string signal_name(int number) {
  const char* const name = sigabbrev_np(number);
  return name == nullptr ? "signal " + std::to_string(number) : std::string("SIG") + name;
}

AnswersStops::AnswersStops() { ++answering; }
AnswersStops::~AnswersStops() { --answering; }
bool AnswersStops::any() { return answering > 0; }

}  // namespace trellis
