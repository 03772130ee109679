#include "base/span_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> names_of(const SpanRecorder& recorder) {
  std::vector<std::string> names;
  for (const SpanRecord& span : recorder.spans()) names.push_back(span.name);
  return names;
}

TEST(SpanRecorder, KeepsSpansWithTheirNumbersInTheOrderOfTheirEnds) {
  SpanRecorder recorder;
  recorder.start();
  {
    const TimeSpan outer("outer", {.step = 3, .window = 2, .bytes = 40});
    const TimeSpan inner("inner", 7);
  }
  { const TimeSpan after("after"); }
  recorder.stop();
  ASSERT_THAT(names_of(recorder), ElementsAre("inner", "outer", "after"));
  const SpanRecord &inner = recorder.spans()[0], &outer = recorder.spans()[1], &after = recorder.spans()[2];
  EXPECT_EQ(inner.numbers, (SpanNumbers{.level = 7}));
  EXPECT_EQ(outer.numbers, (SpanNumbers{.step = 3, .window = 2, .bytes = 40}));
  EXPECT_EQ(after.numbers, SpanNumbers{});
  EXPECT_LE(outer.begin_ns, inner.begin_ns);
  EXPECT_LE(inner.begin_ns, inner.end_ns);
  EXPECT_LE(inner.end_ns, outer.end_ns);
  EXPECT_LE(outer.end_ns, after.begin_ns);
  EXPECT_EQ(recorder.dropped(), 0u);
}

TEST(SpanRecorder, NothingIsRecordedBeforeAfterOrAcrossItsEnds) {
  { const TimeSpan before("before"); }
  SpanRecorder recorder;
  {
    const TimeSpan across("across the beginning");
    recorder.start();
    const TimeSpan within("within");
  }
  {
    const TimeSpan across("across the end");
    recorder.stop();
  }
  { const TimeSpan after("after"); }
  EXPECT_THAT(names_of(recorder), ElementsAre("within"));
}

TEST(SpanRecorder, ASpanOfAnEarlierRecordingDoesNotReachALaterOne) {
  SpanRecorder first, second;
  first.start();
  {
    const TimeSpan across("across both");
    first.stop();
    second.start();
  }
  second.stop();
  EXPECT_THAT(names_of(first), IsEmpty());
  EXPECT_THAT(names_of(second), IsEmpty());
}

TEST(SpanRecorder, WhatDoesNotFitIsCountedAndTheFirstAreKept) {
  SpanRecorder recorder(5);
  recorder.start();
  for (int n = 0; n < 12; ++n) const TimeSpan timed("work", n);
  recorder.stop();
  ASSERT_EQ(recorder.spans().size(), 5u);
  for (int n = 0; n < 5; ++n) EXPECT_EQ(recorder.spans()[n].numbers.level, n);
  EXPECT_EQ(recorder.dropped(), 7u);
}

TEST(SpanRecorder, EachThreadHasATrackWithItsName) {
  SpanRecorder recorder;
  recorder.start();
  { const TimeSpan timed("work"); }
  for (int n = 0; n < 2; ++n) {
    std::thread([] {
      name_this_thread("reader");
      const TimeSpan timed("read");
    }).join();
  }
  recorder.stop();
  ASSERT_THAT(names_of(recorder), ElementsAre("work", "read", "read"));
  EXPECT_THAT(recorder.tracks(), ElementsAre("thread", "reader", "reader"));
  for (int n = 0; n < 3; ++n) EXPECT_EQ(recorder.spans()[n].track, n);
}

TEST(SpanRecorder, ThreadsRecordAtOnceAndNothingIsLost) {
  constexpr int kThreads = 8, kSpans = 2000;
  SpanRecorder recorder;
  recorder.start();
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([] {
        for (int n = 0; n < kSpans; ++n) {
          const TimeSpan outer("outer", n);
          const TimeSpan inner("inner", n);
        }
      });
    }
  }
  recorder.stop();
  ASSERT_EQ(recorder.spans().size(), std::size_t{2} * kThreads * kSpans);
  std::map<int, int> next_level;
  for (const SpanRecord& span : recorder.spans()) {
    if (std::strcmp(span.name, "outer") != 0) continue;
    EXPECT_EQ(span.numbers.level, next_level[span.track]++) << "on track " << span.track;
  }
  EXPECT_EQ(next_level.size(), std::size_t{kThreads});
}

TEST(SpanRecorder, StoppingWhileThreadsRecordIsSafe) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> stop{false};
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        while (!stop) const TimeSpan timed("work");
      });
    }
    {
      SpanRecorder recorder(100);
      recorder.start();
      while (recorder.dropped() < 10) std::this_thread::yield();
      recorder.stop();
      const std::size_t kept = recorder.spans().size() + recorder.dropped();
      std::this_thread::yield();
      EXPECT_EQ(recorder.spans().size() + recorder.dropped(), kept);
      for (const SpanRecord& span : recorder.spans()) ASSERT_STREQ(span.name, "work");
    }
    stop = true;
  }
}

TEST(SpanRecorder, TracksOfOthersCanBeAdded) {
  SpanRecorder recorder;
  recorder.start();
  const int stream = recorder.add_track("stream 1");
  recorder.add({.name = "kernel", .begin_ns = 10, .end_ns = 20, .numbers = {}, .track = stream});
  recorder.stop();
  ASSERT_EQ(recorder.spans().size(), 1u);
  EXPECT_EQ(recorder.tracks().at(static_cast<std::size_t>(recorder.spans()[0].track)), "stream 1");
}

TEST(SpanRecorder, OneAtATimeAndEachOnce) {
  SpanRecorder one, other;
  one.start();
  EXPECT_THROW(other.start(), InternalError);
  EXPECT_THROW(one.start(), InternalError);
  one.stop();
  one.stop();
  EXPECT_EQ(span_listeners::present.load(), 0u);
}

std::vector<std::string> told;
const RangeHooks kFakeHooks{
    .push = [](const char* name, const SpanNumbers& numbers) { told.push_back(std::string(name) + " " + std::to_string(numbers.level)); },
    .pop = [] { told.push_back("pop"); }};

TEST(RangeHooks, HearOfEverySpanWithAndWithoutARecorder) {
  told.clear();
  set_range_hooks(&kFakeHooks);
  {
    const TimeSpan outer("outer");
    const TimeSpan inner("inner", 4);
  }
  EXPECT_THAT(told, ElementsAre("outer -1", "inner 4", "pop", "pop"));
  told.clear();
  SpanRecorder recorder;
  recorder.start();
  { const TimeSpan both("both"); }
  recorder.stop();
  EXPECT_THAT(told, ElementsAre("both -1", "pop"));
  EXPECT_THAT(names_of(recorder), ElementsAre("both"));
  set_range_hooks(nullptr);
  { const TimeSpan none("none"); }
  EXPECT_THAT(told, ElementsAre("both -1", "pop"));
}

TEST(RangeHooks, ASpanThatTheySawOpenIsClosedForThem) {
  told.clear();
  set_range_hooks(&kFakeHooks);
  {
    const TimeSpan timed("work");
    set_range_hooks(nullptr);
  }
  EXPECT_THAT(told, ElementsAre("work -1", "pop"));
  {
    const TimeSpan timed("work");
    set_range_hooks(&kFakeHooks);
  }
  set_range_hooks(nullptr);
  EXPECT_THAT(told, ElementsAre("work -1", "pop"));
}

}  // namespace
}  // namespace trellis
