#include "base/self_watch.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>

#include "base/exit_codes.h"
#include "base/host_name.h"
#include "base/last_words.h"
#include "base/log.h"
#include "base/stop_request.h"

namespace trellis {
namespace {

constexpr std::chrono::milliseconds kLook{100};  // a signal's handler cannot wake a thread

// "rank 3 on node7": before MPI has started the launcher's variables know.
std::string this_rank() {
  const std::string host = host_name();
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"}) {
    if (const char* const rank = std::getenv(name)) return fmt::format("rank {} on {}", rank, host);
  }
  return fmt::format("this process on {}", host);
}

[[noreturn]] void end(ExitCode code) {
  say_last_words(code);
  std::_Exit(static_cast<int>(code));  // what stands in standard output's buffer is half a result at most
}

}  // namespace

SelfWatch::SelfWatch(std::chrono::milliseconds stop_patience)
    : stop_patience_(stop_patience), thread_([this](const std::stop_token& stop) { watch(stop); }) {}

SelfWatch::Wait::Wait(SelfWatch& watch, std::string what, std::chrono::milliseconds limit)
    : watch_(watch), what_(std::move(what)), limit_(limit), begun_(Clock::now()) {
  const std::lock_guard lock(watch_.mutex_);
  entry_ = watch_.waits_.insert(watch_.waits_.end(), this);
}

SelfWatch::Wait::~Wait() {
  const std::lock_guard lock(watch_.mutex_);
  watch_.waits_.erase(entry_);
}

void SelfWatch::watch(const std::stop_token& stop) {
  Clock::time_point calm = Clock::now();  // when there was last no unanswered request to stop
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    ended_.wait_for(lock, stop, kLook, [] { return false; });
    const auto now = Clock::now();
    for (const Wait* wait : waits_) {
      if (now - wait->begun_ < wait->limit_) continue;
      log_error("watchdog: {} has waited for other ranks in {} longer than {}; ending this process\n"
                "  fix:   look for the rank that has not come: it is stopped, gone, or without memory or network. mesh.timeout allows more time",
                this_rank(), wait->what_, wait->limit_);
      end(ExitCode::watchdog);
    }
    const std::optional<int> signal = stop_requested();
    if (!signal || AnswersStops::any()) {
      calm = now;
      continue;
    }
    if (now - calm < stop_patience_) continue;
    log_warning("{}", StopRequested(*signal).what());
    end(ExitCode::stopped_early);
  }
}

}  // namespace trellis
