#include "report/heartbeat.h"

#include <csignal>
#include <utility>

#include "base/time_span.h"

namespace trellis {

Heartbeat::Heartbeat(double every_seconds, std::function<void(const std::string&)> say) : every_seconds_(every_seconds), say_(std::move(say)), next_(steady_seconds() + every_seconds) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { watch(); });
  } catch (...) {  // a machine without a thread to spare goes without signs of life
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// The thread is not woken: it looks by itself when the time of what went on before is over, which is sooner.
void Heartbeat::doing(Words words, Silence silence) {
  const std::lock_guard lock(mutex_);
  words_ = std::move(words);
  began_ = steady_seconds();
  if (silence == Silence::begins) next_ = began_ + every_seconds_;
}

void Heartbeat::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    const double now = steady_seconds();
    if (!words_ || now < next_) {
      changed_.wait_for(lock, std::chrono::duration<double>(words_ ? next_ - now : every_seconds_));
      continue;
    }
    next_ = now + every_seconds_;
    const std::string line = words_(now - began_);
    // Spoken under the lock: when doing() returns, nobody speaks of what was before. Whoever is spoken to must not call back.
    say_(line);
  }
}

}  // namespace trellis
