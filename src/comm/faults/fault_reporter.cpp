#include "comm/faults/fault_reporter.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <future>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/exit_codes.h"
#include "base/host_name.h"
#include "base/last_words.h"
#include "base/log.h"
#include "comm/faults/rank_report.h"
#include "comm/faults/rendezvous.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 1s;  // with a store: when its rank has stopped, it never answers
const std::string kAlarm = "alarm", kPrinter = "printer", kPrinted = "printed";

std::string report_key(int rank) { return fmt::format("report/{}", rank); }

// fn() on a thread of its own, which is left behind when it takes too long; nothing then, or when it throws.
template <class Value>
std::optional<Value> within(std::chrono::milliseconds limit, std::function<std::optional<Value>()> fn, bool& answered) {
  const auto promise = std::make_shared<std::promise<std::optional<Value>>>();
  auto future = promise->get_future();
  answered = false;
  try {
    std::thread([promise, fn = std::move(fn)] {
      try {
        promise->set_value(fn());
      } catch (...) {
        promise->set_exception(std::current_exception());
      }
    }).detach();
  } catch (const std::system_error&) {  // no more threads
    return std::nullopt;
  }
  if (future.wait_for(limit) != std::future_status::ready) return std::nullopt;
  try {
    auto value = future.get();
    answered = true;
    return value;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

}  // namespace

FaultReporter::FaultReporter(const Communicator& world) : rank_(world.rank()), size_(world.size()) {
  if (size_ == 1) return;
  std::string all;
  for (const std::string& host : world.gather(host_name(), 0)) all += host + '\n';
  std::istringstream lines(world.broadcast(all, 0));
  for (std::string host; std::getline(lines, host);) hosts_.push_back(host);
  processes_ = world.all_gather(std::int64_t{getpid()});
  for (const int server : {0, size_ - 1}) stores_.push_back({server, make_store(world, {}, std::chrono::minutes(5), server)});
}

std::jthread FaultReporter::serve(Watchdog& watchdog) {
  watchdog_ = &watchdog;
  if (size_ == 1) return {};
  return std::jthread([this](const std::stop_token& stop) { look_for_alarms(stop); });
}

std::chrono::milliseconds FaultReporter::interval() const {
  return std::clamp<std::chrono::milliseconds>(watchdog_->timeout() / 20, 50ms, 5s);
}

template <class Value>
std::optional<Value> FaultReporter::ask(const std::function<std::optional<Value>(c10d::Store&)>& question) {
  const std::lock_guard lock(stores_mutex_);
  for (Store& one : stores_) {
    if (one.lost) continue;
    bool answered = false;
    const auto value = within<Value>(
        kPatience, [question, store = one.store] { return question(*store); }, answered);
    one.lost = !answered;
    if (value) return value;
  }
  return std::nullopt;
}

void FaultReporter::put(const std::string& key, const std::string& value) {
  // in every store: the others may reach only one
  ask<int>([key, value](c10d::Store& store) -> std::optional<int> {
    store.set(key, bytes_of(value));
    return std::nullopt;
  });
}

std::optional<std::string> FaultReporter::find(const std::string& key) {
  return ask<std::string>([key](c10d::Store& store) -> std::optional<std::string> {
    if (!store.check({key})) return std::nullopt;
    const auto bytes = store.get(key);
    return std::string(bytes.begin(), bytes.end());
  });
}

void FaultReporter::look_for_alarms(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  for (;;) {
    {
      std::unique_lock lock(mutex);
      never.wait_for(lock, stop, interval(), [] { return false; });
      if (stop.stop_requested()) return;
    }
    if (const auto cause = find(kAlarm)) report_and_end(*cause);
  }
}

void FaultReporter::end_job(const Watchdog::Report& cause) { report_and_end(cause.text()); }

void FaultReporter::report_and_end(const std::string& cause) {
  ending_.lock();  // a second thread that comes here waits for the process's end
  const std::string own = watchdog_ ? make_rank_report(*watchdog_).to_text() : "";
  if (size_ == 1) {
    log_error("{}; ending this process", cause);
    say_last_words(ExitCode::watchdog);
  } else {
    put(report_key(rank_), own);
    put(kAlarm, cause);
    const auto until = Clock::now() + 2 * interval() + 2 * kPatience;
    const auto place = ask<std::int64_t>([](c10d::Store& store) -> std::optional<std::int64_t> { return store.add(kPrinter, 1); });
    if (place == 1 || !place) {
      print_table(cause, own, until);
      say_last_words(ExitCode::watchdog);
      put(kPrinted, "1");
    } else {
      bool printed = false;
      while (!printed && Clock::now() < until + 2s) {
        std::this_thread::sleep_for(20ms);
        printed = find(kPrinted).has_value();
      }
      if (!printed) print_table(cause, own, Clock::now());
    }
    std::this_thread::sleep_for(300ms);  // a store that others are asking may be this process's
  }
  std::fflush(nullptr);
  std::_Exit(static_cast<int>(ExitCode::watchdog));
}

void FaultReporter::print_table(const std::string& cause, const std::string& own, Clock::time_point until) {
  std::vector<RankAnswer> answers(static_cast<std::size_t>(size_));
  const auto text_of = [&](int rank) { return rank == rank_ ? own : find(report_key(rank)); };
  int missing = size_;
  do {
    for (int rank = 0; rank < size_; ++rank) {
      RankAnswer& answer = answers[static_cast<std::size_t>(rank)];
      if (answer.report) continue;
      const std::optional<std::string> text = text_of(rank);
      if (!text) continue;
      answer.report = RankReport::from_text(*text);
      --missing;
    }
    if (missing > 0) std::this_thread::sleep_for(20ms);
  } while (missing > 0 && Clock::now() < until);
  for (int rank = 0; rank < size_; ++rank) {
    RankAnswer& answer = answers[static_cast<std::size_t>(rank)];
    answer.place = fmt::format("{}, process {}", hosts_[static_cast<std::size_t>(rank)], processes_[static_cast<std::size_t>(rank)]);
    if (!answer.report) answer.silence = silence(rank);
  }
  log_error("{}; ending the job. What its ranks do:\n{}", cause, fault_table(answers));
}

// Of a rank of this machine /proc knows more.
std::string FaultReporter::silence(int rank) const {
  if (hosts_[static_cast<std::size_t>(rank)] != hosts_[static_cast<std::size_t>(rank_)]) return "it is gone, stopped or cut off";
  std::ifstream file(fmt::format("/proc/{}/stat", processes_[static_cast<std::size_t>(rank)]));
  std::string stat;
  std::getline(file, stat);
  const auto name_end = stat.rfind(')');
  const char state = name_end == std::string::npos || name_end + 2 >= stat.size() ? 'X' : stat[name_end + 2];
  if (state == 'X' || state == 'Z') return "its process is gone";
  if (state == 'T' || state == 't') return "its process is stopped";
  return "its process lives, but does not answer";
}

}  // namespace trellis
