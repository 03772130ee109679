// Requests that arrive as signals while a program works, for the work to look at between two pieces. Every program takes them
// from its very start (base/process_start.h): SIGTERM, SIGINT, SIGUSR2, SIGHUP and SIGXCPU ask it to stop, SIGUSR1 asks for a
// checkpoint. Handlers only set flags.
//
// Work that has something to save or to finish says so with AnswersStops, looks at stop_requested() and takes the time that it
// needs. All other work may throw_if_stop_requested() wherever it leaves nothing half done, and is ended soon after the request even
// where it does not (base/self_watch.h).
#pragma once

#include <optional>
#include <string>

#include "base/errors.h"

namespace trellis {

// A stop as the error that ends work of which nothing has to be saved.
class StopRequested : public CategorizedError<ExitCode::stopped_early> {
 public:
  explicit StopRequested(int signal);
  int signal() const { return signal_; }

 private:
  int signal_;
};

std::optional<int> stop_requested();  // the signal that asked first
// Throws StopRequested, but not while work answers stops itself.
void throw_if_stop_requested();

bool checkpoint_requested();
void checkpoint_request_met();

// A signal has come; the only function here that a handler may call.
void note_signal(int number) noexcept;
// As if no signal had come: for tests.
void forget_requests();

std::string signal_name(int number);  // "SIGTERM"

// While one lives, requests to stop are looked at and answered by the work itself.
class AnswersStops {
 public:
  AnswersStops();
  ~AnswersStops();
  AnswersStops(const AnswersStops&) = delete;
  AnswersStops& operator=(const AnswersStops&) = delete;
  static bool any();
};

}  // namespace trellis
