#include "comm/watchdog.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/exit_codes.h"
#include "base/last_words.h"
#include "base/log.h"

namespace trellis {
namespace {

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

double seconds_since(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - time).count();
}

}  // namespace

std::string Watchdog::Report::text() const {
  return fmt::format("watchdog: rank {} on {}: {} (operation {}) has not ended within {}", rank, host, name, sequence_number, timeout);
}

void Watchdog::end_process(const Report& report) {
  log_error("{}; ending this process", report.text());
  say_last_words(ExitCode::watchdog);
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(ExitCode::watchdog));
}

Watchdog::Watchdog(int rank, std::chrono::milliseconds timeout, OnExpired on_expired)
    : rank_(rank), timeout_(timeout), on_expired_(std::move(on_expired)), thread_([this](const std::stop_token& stop) { watch(stop); }) {}

Watchdog::~Watchdog() = default;  // the thread is asked to stop and joined

Watchdog::Waits Watchdog::waits() const {
  const std::lock_guard lock(mutex_);
  Waits waits;
  for (const Entry& entry : entries_) {
    if (entry.operation == 0)
      waits.scopes.push_back(fmt::format("{}, for {:.1f} s", entry.name, seconds_since(entry.deadline - timeout_)));
    else
      waits.operations.push_back(entry.operation);
  }
  return waits;
}

void Watchdog::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto first = std::find_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return !entry.reported; });
    if (first == entries_.end()) {
      idle_ = true;
      changed_.wait(lock, stop, [&] { return !entries_.empty() && !entries_.back().reported; });
      idle_ = false;
      continue;
    }
    const auto deadline = first->deadline;  // a copy: the guard may end, and its entry with it, during the wait
    if (std::chrono::steady_clock::now() < deadline) {
      // A guard that ends meanwhile need not wake this thread: it looks again at the old deadline.
      changed_.wait_until(lock, stop, deadline, [] { return false; });
      continue;
    }
    first->reported = true;
    const std::string name = first->operation == 0 ? first->name : log_.text(first->operation);
    const Report report{rank_, host_name(), name, first->sequence_number, timeout_};
    lock.unlock();
    on_expired_(report);
    lock.lock();
  }
}

Watchdog::Guard::Guard(Watchdog* watchdog, std::string name) : Guard(watchdog, std::move(name), 0) {}

Watchdog::Guard::Guard(Watchdog* watchdog, std::uint64_t operation) : Guard(watchdog, std::string(), operation) {}

Watchdog::Guard::Guard(Watchdog* watchdog, std::string name, std::uint64_t operation) : watchdog_(watchdog) {
  if (!watchdog_) return;
  const std::lock_guard lock(watchdog_->mutex_);
  entry_ = watchdog_->entries_.insert(
      watchdog_->entries_.end(),
      Entry{std::move(name), operation, ++watchdog_->guards_, std::chrono::steady_clock::now() + watchdog_->timeout_, false});
  if (watchdog_->idle_) watchdog_->changed_.notify_one();  // else it looks at a deadline before this one anyway
}

Watchdog::Guard::~Guard() {
  if (!watchdog_) return;
  const std::lock_guard lock(watchdog_->mutex_);
  watchdog_->entries_.erase(entry_);
}

}  // namespace trellis
