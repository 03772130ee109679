// Notices collectives that never end: one rank died, or ranks disagree about what comes next. Its limit is meant to be
// shorter than the communication library's own, so that the message names the operation in this program's words.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "comm/faults/operation_log.h"

namespace trellis {

inline constexpr std::chrono::milliseconds kDefaultWatchdogTimeout = std::chrono::minutes(5);

class Watchdog {
 public:
  // What is running too long on this rank.
  struct Report {
    int rank;
    std::string host, name;
    std::uint64_t sequence_number;  // of the guard on this rank, from 1; equal numbers on all ranks are the same operation
    std::chrono::milliseconds timeout;
    std::string text() const;
  };
  using OnExpired = std::function<void(const Report&)>;

  // `on_expired` runs on the watchdog's thread, once for each guard that outlives `timeout`.
  Watchdog(int rank, std::chrono::milliseconds timeout, OnExpired on_expired = end_process);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  // Prints the report and ends the process with ExitCode::watchdog, which makes mpirun end the other ranks.
  static void end_process(const Report& report);

  std::chrono::milliseconds timeout() const;
  // Of guards made from now on. Every rank of a job changes it at the same point.
  void set_timeout(std::chrono::milliseconds timeout);
  // What this rank's groups do and have done, for reports.
  OperationLog& log() { return log_; }

 private:
  struct Entry {
    std::string name;
    std::uint64_t operation;  // in the log, which then knows the name; 0: none
    std::uint64_t sequence_number;
    std::chrono::steady_clock::time_point begun;
    std::chrono::milliseconds timeout;
    bool reported;
    std::chrono::steady_clock::time_point deadline() const { return begun + timeout; }
  };

 public:
  // The monitored scope. A null watchdog monitors nothing.
  class Guard {
   public:
    Guard(Watchdog* watchdog, std::string name);
    // Of an operation that has been begun in the watchdog's log.
    Guard(Watchdog* watchdog, std::uint64_t operation);
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();

   private:
    Guard(Watchdog* watchdog, std::string name, std::uint64_t operation);
    Watchdog* watchdog_;
    std::list<Entry>::iterator entry_;
  };
  // What is monitored now, the oldest first: operations of the log by their ids, other scopes by name and time.
  struct Waits {
    std::vector<std::uint64_t> operations;
    std::vector<std::string> scopes;
  };
  Waits waits() const;

 private:
  void watch(const std::stop_token& stop);
  // What is to be reported next; end() if there is nothing.
  std::list<Entry>::iterator next();

  int rank_;
  std::chrono::milliseconds timeout_;
  OnExpired on_expired_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::list<Entry> entries_;  // in the order of their beginnings
  std::chrono::steady_clock::time_point awaited_ = std::chrono::steady_clock::time_point::min();  // the thread sleeps until then
  OperationLog log_;
  std::uint64_t guards_ = 0;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace trellis
