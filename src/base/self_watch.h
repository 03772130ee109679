// A thread that ends this process where nothing else would:
//
//   * A wait for other ranks lasts too long before the ranks' watchdog (comm/faults/watchdog.h) is there, or after it: while MPI starts
//     and while it ends. ExitCode::watchdog, with what this rank waits in.
//   * The process was asked to stop, has nothing to save (AnswersStops), and has not ended by itself soon after.
//     ExitCode::stopped_early.
//
// It needs no MPI. mpirun ends the other ranks of a job when one ends like this.
#pragma once

#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>
#include <string>
#include <thread>

namespace trellis {

class SelfWatch {
 public:
  // stop_patience: from a request to stop to the process's end, where the work does not look at it.
  explicit SelfWatch(std::chrono::milliseconds stop_patience = std::chrono::seconds(1));
  SelfWatch(const SelfWatch&) = delete;
  SelfWatch& operator=(const SelfWatch&) = delete;

  // The scope of a wait. The watch must outlive it.
  class Wait {
   public:
    Wait(SelfWatch& watch, std::string what, std::chrono::milliseconds limit);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

   private:
    friend SelfWatch;
    SelfWatch& watch_;
    const std::string what_;
    const std::chrono::milliseconds limit_;
    const std::chrono::steady_clock::time_point begun_;
    std::list<Wait*>::iterator entry_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  void watch(const std::stop_token& stop);

  const std::chrono::milliseconds stop_patience_;
  std::mutex mutex_;
  std::condition_variable_any ended_;
  std::list<Wait*> waits_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace trellis
