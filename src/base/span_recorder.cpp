#include "base/span_recorder.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/errors.h"

namespace trellis {
namespace {

std::atomic<SpanRecorder*> recording{nullptr};
std::atomic<int> writers{0};  // threads between looking at `recording` and being done with it
std::atomic<const RangeHooks*> range_hooks{nullptr};
std::atomic<std::uint64_t> recorders{0};

struct ThisThread {
  const char* name = "thread";
  std::uint64_t recorder = 0;  // whose track is
  int track = 0;
};
thread_local ThisThread this_thread;

void listen(unsigned listener, bool present) {
  if (present) {
    span_listeners::present.fetch_or(listener);
  } else {
    span_listeners::present.fetch_and(~listener);
  }
}

}  // namespace

std::int64_t steady_nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void set_range_hooks(const RangeHooks* hooks) {
  range_hooks = hooks;
  listen(span_listeners::kHooks, hooks != nullptr);
}

void name_this_thread(StaticName name) { this_thread.name = name.text(); }

void TimeSpan::open(const char* name, const SpanNumbers& numbers) {
  hooks_ = range_hooks.load(std::memory_order_acquire);
  if (hooks_) hooks_->push(name, numbers);
  open_ = true;
  record_ = {.name = name, .begin_ns = steady_nanoseconds(), .end_ns = 0, .numbers = numbers, .track = 0};
}

void TimeSpan::close() {
  record_.end_ns = steady_nanoseconds();
  if (hooks_) hooks_->pop();
  // stop() takes the recorder away first and then waits for the writers: whoever still sees it here is counted
  writers.fetch_add(1);
  if (SpanRecorder* const recorder = recording.load()) recorder->add_of_this_thread(record_);
  writers.fetch_sub(1);
}

SpanRecorder::SpanRecorder(std::size_t capacity)
    : capacity_(capacity), number_(++recorders), memory_(std::allocator<SpanRecord>().allocate(capacity), Release{capacity}) {}

SpanRecorder::~SpanRecorder() { stop(); }

void SpanRecorder::start() {
  require(started_ns_ == 0, "a recorder of spans is started once");
  track_of_this_thread();
  started_ns_ = steady_nanoseconds();
  SpanRecorder* none = nullptr;
  require(recording.compare_exchange_strong(none, this), "one recorder of spans is at work at a time");
  listen(span_listeners::kRecorder, true);
}

void SpanRecorder::stop() {
  SpanRecorder* expected = this;
  if (!recording.compare_exchange_strong(expected, nullptr)) return;
  listen(span_listeners::kRecorder, false);
  while (writers.load() != 0) std::this_thread::yield();
}

std::span<const SpanRecord> SpanRecorder::spans() const { return {memory_.get(), std::min(taken_.load(), capacity_)}; }

std::size_t SpanRecorder::dropped() const { return std::max(taken_.load(), capacity_) - capacity_; }

int SpanRecorder::add_track(const std::string& name) {
  const std::lock_guard lock(mutex_);
  tracks_.push_back(name);
  return static_cast<int>(tracks_.size()) - 1;
}

void SpanRecorder::add(const SpanRecord& span) {
  const std::size_t place = taken_.fetch_add(1, std::memory_order_relaxed);
  if (place < capacity_) std::construct_at(memory_.get() + place, span);
}

int SpanRecorder::track_of_this_thread() {
  if (this_thread.recorder != number_) {
    this_thread.track = add_track(this_thread.name);
    this_thread.recorder = number_;
  }
  return this_thread.track;
}

void SpanRecorder::add_of_this_thread(SpanRecord span) {
  if (span.begin_ns < started_ns_) return;
  span.track = track_of_this_thread();
  add(span);
}

}  // namespace trellis
