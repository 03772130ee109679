#include "comm/faults/watchdog.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/exit_codes.h"
#include "base/host_name.h"
#include "base/last_words.h"
#include "base/log.h"

namespace trellis {
namespace {

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

std::chrono::milliseconds Watchdog::timeout() const {
  const std::lock_guard lock(mutex_);
  return timeout_;
}

void Watchdog::set_timeout(std::chrono::milliseconds timeout) {
  const std::lock_guard lock(mutex_);
  timeout_ = timeout;
}

Watchdog::Waits Watchdog::waits() const {
  const std::lock_guard lock(mutex_);
  Waits waits;
  for (const Entry& entry : entries_) {
    if (entry.operation == 0)
      waits.scopes.push_back(fmt::format("{}, for {:.1f} s", entry.name, seconds_since(entry.begun)));
    else
      waits.operations.push_back(entry.operation);
  }
  return waits;
}

std::list<Watchdog::Entry>::iterator Watchdog::next() {
  auto first = entries_.end();
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (!entry->reported && (first == entries_.end() || entry->deadline() < first->deadline())) first = entry;
  }
  return first;
}

void Watchdog::watch(const std::stop_token& stop) {
  constexpr auto never = std::chrono::steady_clock::time_point::max();
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    const auto first = next();
    awaited_ = first == entries_.end() ? never : first->deadline();
    if (std::chrono::steady_clock::now() < awaited_) {
      // A guard that ends meanwhile need not wake this thread: it looks again at the old deadline.
      const auto sooner = [&] {
        const auto now_first = next();
        return now_first != entries_.end() && now_first->deadline() < awaited_;
      };
      if (awaited_ == never) {
        changed_.wait(lock, stop, sooner);
      } else {
        changed_.wait_until(lock, stop, awaited_, sooner);
      }
      continue;
    }
    first->reported = true;
    const std::string name = first->operation == 0 ? first->name : log_.text(first->operation);
    const Report report{rank_, host_name(), name, first->sequence_number, first->timeout};
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
      Entry{std::move(name), operation, ++watchdog_->guards_, std::chrono::steady_clock::now(), watchdog_->timeout_, false});
  if (entry_->deadline() < watchdog_->awaited_) watchdog_->changed_.notify_one();  // else it looks before this deadline anyway
}

Watchdog::Guard::~Guard() {
  if (!watchdog_) return;
  const std::lock_guard lock(watchdog_->mutex_);
  watchdog_->entries_.erase(entry_);
}

}  // namespace trellis
