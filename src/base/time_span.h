// A span of time with a name: opened where a piece of work begins, it ends with its scope. Spans of a thread nest.
//
//   const TimeSpan timed("gates", level);
//   const TimeSpan timed("levels", {.level = 0, .level_end = 16, .time_begin = 0, .time_end = 32});
//
// While nobody listens a span costs one relaxed load. A SpanRecorder (base/span_recorder.h) keeps spans with their times;
// range hooks hand their names to another tool as they open and close. Any thread may open spans.
#pragma once

#include <atomic>
#include <cstdint>

namespace trellis {

// What a span was about; -1: not given.
struct SpanNumbers {
  std::int64_t step = -1;                        // of the optimizer, counted from 1 as progress lines do
  std::int64_t window = -1;                      // of the pass
  std::int64_t level = -1, level_end = -1;       // one level, or levels [level, level_end)
  std::int64_t time_begin = -1, time_end = -1;   // steps [begin, end) of the window: a chunk
  std::int64_t item = -1;                        // which of several alike: output, cluster of words
  std::int64_t bytes = -1;                       // moved between ranks

  bool operator==(const SpanNumbers&) const = default;
};

// A name that lives as long as the program: only a literal becomes one.
class StaticName {
 public:
  consteval StaticName(const char* literal) : text_(literal) {}
  const char* text() const { return text_; }

 private:
  const char* text_;
};

// Told of every span, in the thread that opens and closes it. push and pop must not throw and may not open spans.
struct RangeHooks {
  void (*push)(const char* name, const SpanNumbers& numbers);
  void (*pop)();
};

// For the ranges that a profiler of the device shows (NVTX). The hooks must live until they are replaced and the spans that
// they saw open have closed; null: none. A library loaded at run time that links base/ itself has this state once more, so
// it hands its hooks to the program, which sets them.
void set_range_hooks(const RangeHooks* hooks);

// What the recorder calls this thread; "thread" before.
void name_this_thread(StaticName name);

// Nanoseconds of the steady clock: since the machine's start, the same in every process on it.
std::int64_t steady_nanoseconds();
inline double steady_seconds() { return static_cast<double>(steady_nanoseconds()) * 1e-9; }

struct SpanRecord {
  const char* name;
  std::int64_t begin_ns, end_ns;  // steady_nanoseconds()
  SpanNumbers numbers;
  int track;  // of the recorder: a thread, or what else has an order of its own
};

namespace span_listeners {
inline constexpr unsigned kRecorder = 1, kHooks = 2;
inline std::atomic<unsigned> present{0};
}  // namespace span_listeners

class TimeSpan {
 public:
  explicit TimeSpan(StaticName name, const SpanNumbers& numbers = {}) {
    if (span_listeners::present.load(std::memory_order_relaxed) != 0) [[unlikely]] open(name.text(), numbers);
  }
  TimeSpan(StaticName name, std::int64_t level) : TimeSpan(name, SpanNumbers{.level = level}) {}
  ~TimeSpan() {
    if (open_) [[unlikely]] close();
  }
  TimeSpan(const TimeSpan&) = delete;
  TimeSpan& operator=(const TimeSpan&) = delete;

 private:
  void open(const char* name, const SpanNumbers& numbers);
  void close();

  bool open_ = false;
  const RangeHooks* hooks_;  // this and the rest only while open
  SpanRecord record_;
};

}  // namespace trellis
