// Ends a job in which an operation does not end, on all its ranks, with one table of who waits for what.
//
// When a guard of this rank's watchdog expires, or another rank has raised the alarm, this rank lays its report (comm/
// rank_report.h) in a store over TCP, which works while MPI or NCCL hang: the one of rank 0, and that of the last rank in case
// rank 0 is the one that has gone. The first rank to come collects the others' for a while, prints the table, in which a rank
// without a report by then is named as the one that is silent, and says the last words (base/last_words.h). Then every rank that
// still can ends with ExitCode::watchdog. All this happens on threads of its own, as the rank's other threads may hang. Should outlive MPI_Finalize, which waits for all
// ranks: then no rank misses another's store at the end.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "comm/faults/watchdog.h"
#include "mpi/communicator.h"

namespace trellis {

class FaultReporter {
 public:
  // Collective: opens the stores. Of a world of one rank it opens nothing.
  explicit FaultReporter(const Communicator& world);
  FaultReporter(const FaultReporter&) = delete;
  FaultReporter& operator=(const FaultReporter&) = delete;

  // Looks for alarms of others while the returned thread lives, which must not outlive the watchdog; from here on this rank's
  // reports are the watchdog's. Its timeout decides how often, too.
  [[nodiscard]] std::jthread serve(Watchdog& watchdog);
  // To be the watchdog's on_expired. Does not return.
  [[noreturn]] void end_job(const Watchdog::Report& cause);

 private:
  struct Store {
    int server;
    c10::intrusive_ptr<c10d::Store> store;
    bool lost = false;  // it has not answered, and is not asked again
  };
  using Clock = std::chrono::steady_clock;

  void look_for_alarms(const std::stop_token& stop);
  [[noreturn]] void report_and_end(const std::string& cause);
  // Asks each store that still answers; the first value wins. Never waits longer than kPatience a store.
  template <class Value>
  std::optional<Value> ask(const std::function<std::optional<Value>(c10d::Store&)>& question);
  void put(const std::string& key, const std::string& value);
  std::optional<std::string> find(const std::string& key);
  void print_table(const std::string& cause, const std::string& own, Clock::time_point until);
  std::string silence(int rank) const;
  std::chrono::milliseconds interval() const;  // from one look for alarms to the next

  int rank_, size_;
  std::vector<std::string> hosts_;  // of all ranks
  std::vector<std::int64_t> processes_;
  std::mutex stores_mutex_;
  std::vector<Store> stores_;
  Watchdog* watchdog_ = nullptr;
  std::mutex ending_;  // held by the thread that ends the process, for good
};

}  // namespace trellis
