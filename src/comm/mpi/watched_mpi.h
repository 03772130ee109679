// The calls of mpi/ that wait for other ranks, under a watchdog while this value lives.
#pragma once

#include "comm/faults/watchdog.h"
#include "mpi/wait_monitor.h"

namespace trellis {

class WatchedMpi final : public WaitMonitor {
 public:
  // `watchdog` must outlive it.
  explicit WatchedMpi(Watchdog& watchdog) : watchdog_(watchdog) { set_wait_monitor(this); }
  WatchedMpi(const WatchedMpi&) = delete;
  WatchedMpi& operator=(const WatchedMpi&) = delete;
  ~WatchedMpi() override { set_wait_monitor(nullptr); }

  void* begin(std::string_view what) override { return new Watchdog::Guard(&watchdog_, std::string(what)); }
  void end(void* wait) override { delete static_cast<Watchdog::Guard*>(wait); }

 private:
  Watchdog& watchdog_;
};

}  // namespace trellis
