// A sign of life while one piece of work takes long: a thread that says, every so many seconds, what has been going on since when.
// Work that ends sooner is not mentioned. The thread only waits and speaks: it touches nothing of the run.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace trellis {

class Heartbeat {
 public:
  // What is going on, after so many seconds of it: "step 1: still computing, 60s". Called by the thread.
  using Words = std::function<std::string(double seconds)>;
  // What is said goes to say, from the thread. Signals are left to the other threads.
  Heartbeat(double every_seconds, std::function<void(const std::string&)> say);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  // Another piece of work begins. goes_on: nothing was said of the one before, so the silence since then counts, as while a run starts
  // in many small steps. What the words capture must live until the next call of this or of rest().
  enum class Silence { begins, goes_on };
  void doing(Words words, Silence silence = Silence::begins);
  // Nothing goes on that would need a word.
  void rest() { doing(nullptr); }

 private:
  void watch();

  const double every_seconds_;
  const std::function<void(const std::string&)> say_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  Words words_;
  double began_ = 0, next_ = 0;  // steady seconds
  std::thread thread_;           // the last: it uses the others
};

}  // namespace trellis
