#include "mpi/wait_monitor.h"

#include <atomic>

namespace trellis {
namespace {

std::atomic<WaitMonitor*> current = nullptr;

}  // namespace

void set_wait_monitor(WaitMonitor* monitor) { current = monitor; }

MonitoredWait::MonitoredWait(std::string_view what) : monitor_(current), wait_(monitor_ ? monitor_->begin(what) : nullptr) {}

MonitoredWait::~MonitoredWait() {
  if (monitor_) monitor_->end(wait_);
}

}  // namespace trellis
