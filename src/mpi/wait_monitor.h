// Lets someone above watch the calls here that wait for other ranks (comm/faults/fault_reporter.h does): one of them may have died.
#pragma once

#include <string_view>

namespace trellis {

class WaitMonitor {
 public:
  virtual ~WaitMonitor() = default;
  // A thread begins to wait, and what it then hands back to end(). Any thread; must not throw.
  virtual void* begin(std::string_view what) = 0;
  virtual void end(void* wait) = 0;
};

// Of all threads from now on; null: none. Must live until the waits that it has seen begin have ended.
void set_wait_monitor(WaitMonitor* monitor);

// The scope of a wait: around every call that is collective, or else needs another rank.
class MonitoredWait {
 public:
  explicit MonitoredWait(std::string_view what);
  MonitoredWait(const MonitoredWait&) = delete;
  MonitoredWait& operator=(const MonitoredWait&) = delete;
  ~MonitoredWait();

 private:
  WaitMonitor* monitor_;
  void* wait_;
};

}  // namespace trellis
