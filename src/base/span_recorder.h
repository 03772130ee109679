// Keeps the spans (base/time_span.h) of all threads of this process from start() to stop(), in memory that is set aside
// at the beginning: the first `capacity` spans are kept, later ones counted. Spans that were open at either end are left
// out. One recorder at a time records.
//
//   SpanRecorder recorder;
//   recorder.start();
//   work();
//   recorder.stop();
//   for (const SpanRecord& span : recorder.spans()) ...   // in the order of their ends
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/time_span.h"

namespace trellis {

class SpanRecorder {
 public:
  static constexpr std::size_t kCapacity = std::size_t{1} << 19;  // 50 MB of addresses; what is not used is not touched

  explicit SpanRecorder(std::size_t capacity = kCapacity);
  ~SpanRecorder();  // stops
  SpanRecorder(const SpanRecorder&) = delete;
  SpanRecorder& operator=(const SpanRecorder&) = delete;

  // Track 0 is the thread that calls this. Throws InternalError when another recorder is at work, or this one ever was.
  void start();
  // After this nothing changes any more.
  void stop();

  // --- after stop() ---
  std::span<const SpanRecord> spans() const;
  std::size_t dropped() const;                                    // spans that found no room
  const std::vector<std::string>& tracks() const { return tracks_; }  // their names, by number; several may share one

  // --- while recording, from any thread ---
  // A track besides those of threads: a device's stream, say, whose spans somebody else has timed.
  int add_track(const std::string& name);
  void add(const SpanRecord& span);

 private:
  friend class TimeSpan;
  void add_of_this_thread(SpanRecord span);
  int track_of_this_thread();

  struct Release {
    std::size_t capacity;
    void operator()(SpanRecord* memory) const { std::allocator<SpanRecord>().deallocate(memory, capacity); }
  };
  const std::size_t capacity_;
  const std::uint64_t number_;  // of this recorder in the process, from 1
  std::unique_ptr<SpanRecord, Release> memory_;
  std::atomic<std::size_t> taken_{0};  // may exceed the capacity
  std::int64_t started_ns_ = 0;
  std::mutex mutex_;                // of tracks_
  std::vector<std::string> tracks_;
};

}  // namespace trellis
