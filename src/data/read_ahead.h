// Batches made ahead of their use by a thread of their own, in order, at most a few at a time. The batches' memory is
// used again and again. What the thread meets is rethrown where the batch was asked for.
//
//   ReadAhead<Batch> ahead(windows, 3, [this](Batch& batch, std::int64_t window) { fill(batch, window); });
//   ahead.restart(0);
//   while (const Batch* batch = ahead.next()) step(*batch);
//
// Make it the last member of its owner: the thread must end before what it fills from.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "base/errors.h"
#include "base/time_span.h"

namespace trellis {

template <class Batch>
class ReadAhead {
 public:
  // Fills a batch that may hold an earlier one's content. Runs in the thread, never twice at a time.
  using Fill = std::function<void(Batch& batch, std::int64_t index)>;

  // Batches 0 .. count - 1, at most batches_ahead (>= 1) of them ready. Does nothing before restart().
  ReadAhead(std::int64_t count, int batches_ahead, Fill fill)
      : count_(count), batches_ahead_(batches_ahead), fill_(std::move(fill)) {
    require(count >= 0 && batches_ahead >= 1, "reading ahead needs at least one batch");
  }
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The next batch, or nullptr after the last. It stays valid until the next call of next(), restart() or stop().
  // Rethrows what `fill` threw, at the batch where it threw and at every call after.
  const Batch* next() {
    const TimeSpan timed("wait for data");
    std::unique_lock lock(mutex_);
    if (std::exchange(holds_current_, false)) {
      free_.push_back(std::move(current_));
      changed_.notify_all();
    }
    changed_.wait(lock, [&] { return !ready_.empty() || ended_; });
    if (ready_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return nullptr;
    }
    current_ = std::move(ready_.front());
    ready_.pop_front();
    holds_current_ = true;
    return &current_;
  }

  // Goes on with batch `index`, 0 <= index <= count, at no cost that grows with it.
  void restart(std::int64_t index) {
    require(index >= 0 && index <= count_, "reading ahead was sent to a batch that does not exist");
    stop();
    // A batch that was being filled when an error came is lost; make it anew.
    free_.resize(static_cast<std::size_t>(batches_ahead_));
    ended_ = false;
    failure_ = nullptr;
    thread_ = std::jthread([this, index](std::stop_token stop) { produce(std::move(stop), index); });
  }

  // After this nothing is being filled, until restart(): what `fill` reads may be changed.
  void stop() {
    if (thread_.joinable()) {
      thread_.request_stop();
      thread_.join();
    }
    while (!ready_.empty()) {
      free_.push_back(std::move(ready_.front()));
      ready_.pop_front();
    }
    if (std::exchange(holds_current_, false)) free_.push_back(std::move(current_));
    ended_ = true;
  }

 private:
  void produce(std::stop_token stop, std::int64_t index) {
    name_this_thread("reader");
    std::exception_ptr failure;
    try {
      for (; index < count_ && !stop.stop_requested(); ++index) {
        Batch batch;
        {
          std::unique_lock lock(mutex_);
          if (!changed_.wait(lock, stop, [&] { return !free_.empty(); })) return;
          batch = std::move(free_.front());
          free_.pop_front();
        }
        {
          const TimeSpan timed("read a batch", {.window = index});
          fill_(batch, index);
        }
        const std::lock_guard lock(mutex_);
        ready_.push_back(std::move(batch));
        changed_.notify_all();
      }
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
  }

  const std::int64_t count_;
  const int batches_ahead_;
  const Fill fill_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Batch> ready_, free_;
  bool ended_ = true;  // nothing will be added to ready_
  std::exception_ptr failure_;
  Batch current_;  // the consumer's
  bool holds_current_ = false;
  std::jthread thread_;  // last: it must end before what it uses
};

}  // namespace trellis
