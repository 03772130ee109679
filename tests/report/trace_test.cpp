// The timeline is JSON that the viewers read: names of ranks and tracks, spans that nest, times that rise.
#include "report/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "report/span_costs.h"

namespace trellis {
namespace {

using nlohmann::json;
using testing::ElementsAre;

SpanRecord span(const char* name, std::int64_t begin_ns, std::int64_t end_ns, int track = 0) {
  return {.name = name, .begin_ns = begin_ns, .end_ns = end_ns, .numbers = {}, .track = track};
}

json events(const json& trace, const std::string& phase, int pid) {
  json found = json::array();
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("ph") == phase && event.at("pid") == pid) found.push_back(event);
  }
  return found;
}

TEST(Trace, TwoRanksMakeOneDocument) {
  SpanRecorder first, second(1);
  first.start();
  first.add({.name = "inner", .begin_ns = 1'002'000, .end_ns = 1'003'500, .numbers = {.level = 5, .bytes = 64}, .track = 0});
  first.add(span("outer", 1'001'001, 1'009'000));
  first.add(span("kernel", 1'004'000, 1'005'000, first.add_track("stream \"7\"")));
  first.stop();
  second.start();
  second.add(span("outer", 77'000, 78'000));
  second.add(span("lost", 78'000, 79'000));
  second.stop();
  const std::string text = trace_head() + trace_of_rank({.rank = 0, .host = "node\"1\n", .origin_ns = 1'000'000}, first) +
                           trace_of_rank({.rank = 1, .host = "node2\xff", .origin_ns = 70'000}, second) +
                           trace_tail({.first_step = 10, .last_step = 12, .dropped = {0, 1}});
  const json trace = json::parse(text);
  EXPECT_EQ(trace.at("otherData").at("first_step"), 10);
  EXPECT_EQ(trace.at("otherData").at("last_step"), 12);
  EXPECT_EQ(trace.at("otherData").at("ranks"), 2);
  EXPECT_EQ(trace.at("otherData").at("dropped_spans"), json({0, 1}));
  EXPECT_EQ(trace.at("displayTimeUnit"), "ms");

  const json spans = events(trace, "X", 0);
  ASSERT_EQ(spans.size(), 3u);
  EXPECT_EQ(spans[0], json({{"name", "outer"}, {"ph", "X"}, {"pid", 0}, {"tid", 0}, {"ts", 1.001}, {"dur", 7.999}}));
  EXPECT_EQ(spans[1], json({{"name", "inner"}, {"ph", "X"}, {"pid", 0}, {"tid", 0}, {"ts", 2.0}, {"dur", 1.5}, {"args", {{"level", 5}, {"bytes", 64}}}}));
  EXPECT_EQ(spans[2].at("tid"), 1);
  const json of_second = events(trace, "X", 1);
  ASSERT_EQ(of_second.size(), 1u);
  EXPECT_EQ(of_second[0].at("ts"), 7.0);

  std::vector<std::string> names, labels;
  for (const json& event : trace.at("traceEvents")) {
    if (event.at("name") == "process_name" || event.at("name") == "thread_name") names.push_back(event.at("args").at("name"));
    if (event.at("name") == "process_labels") labels.push_back(event.at("args").at("labels"));
  }
  EXPECT_THAT(names, ElementsAre("rank 0 (node\"1\n)", "thread", "stream \"7\"", "rank 1 (node2\xef\xbf\xbd)", "thread"));
  EXPECT_THAT(labels, ElementsAre("1 spans found no room"));
}

TEST(Trace, SpansOfAThreadNestAndTheirTimesRise) {
  SpanRecorder recorder;
  const std::int64_t origin = steady_nanoseconds();
  recorder.start();
  for (int step = 1; step <= 20; ++step) {
    const TimeSpan outer("step", {.step = step});
    for (int level = 0; level < 3; ++level) {
      const TimeSpan of_level("level", level);
      const TimeSpan gates("gates", level);
    }
    std::jthread([] { const TimeSpan timed("read"); });
  }
  recorder.stop();
  const json trace = json::parse(trace_head() + trace_of_rank({.rank = 0, .host = "here", .origin_ns = origin}, recorder) +
                                 trace_tail({.first_step = 1, .last_step = 20, .dropped = {0}}));
  const json spans = events(trace, "X", 0);
  ASSERT_EQ(spans.size(), 20u * 8);
  std::map<int, std::vector<double>> open;  // ends, by track
  std::map<int, double> last;
  std::size_t deepest = 0;
  for (const json& event : spans) {
    const int track = event.at("tid");
    const double begin = event.at("ts"), end = begin + event.at("dur").get<double>();
    EXPECT_GE(begin, last[track]);
    last[track] = begin;
    std::vector<double>& ends = open[track];
    while (!ends.empty() && ends.back() <= begin + 1e-6) ends.pop_back();
    EXPECT_LE(end, ends.empty() ? end : ends.back() + 1e-6) << event;
    ends.push_back(end);
    deepest = std::max(deepest, ends.size());
  }
  EXPECT_EQ(deepest, 3u);
}

TEST(SpanCosts, OwnTimeIsWithoutTheSpansWithin) {
  // step [0, 10 ms): level [1, 5) with gates [2, 4) in it, level [6, 9); another step [10, 11); the end of one is the
  // beginning of the next
  const std::int64_t ms = 1'000'000;
  const std::vector<SpanRecord> spans = {span("gates", 2 * ms, 4 * ms), span("level", 1 * ms, 5 * ms), span("read", 0, 50 * ms, 1),
                                         span("level", 6 * ms, 9 * ms), span("step", 0, 10 * ms), span("step", 10 * ms, 11 * ms)};
  const std::vector<SpanCost> costs = span_costs(spans, 0);
  ASSERT_EQ(costs.size(), 3u);
  EXPECT_EQ(costs[0].name, "level");
  EXPECT_EQ(costs[0].count, 2);
  EXPECT_NEAR(costs[0].own_seconds, 5e-3, 1e-12);
  EXPECT_EQ(costs[1].name, "step");
  EXPECT_NEAR(costs[1].own_seconds, 4e-3, 1e-12);
  EXPECT_EQ(costs[2].name, "gates");
  EXPECT_NEAR(costs[2].own_seconds, 2e-3, 1e-12);
  EXPECT_EQ(span_costs_table(costs, 2),
            "   share    count    mean ms  span\n"
            "  45.5 %        2      2.500  level\n"
            "  36.4 %        2      2.000  step");
}

TEST(SpanCosts, OfSpansThatAreAlikeTheLaterRecordedEncloses) {
  const std::vector<SpanRecord> spans = {span("inner", 5, 5), span("middle", 5, 9), span("outer", 5, 9)};
  const auto ordered = in_order_of_beginning(spans, 0);
  EXPECT_STREQ(ordered[0].name, "outer");
  EXPECT_STREQ(ordered[1].name, "middle");
  EXPECT_STREQ(ordered[2].name, "inner");
}

TEST(SpanCosts, NothingRecordedIsATableWithoutLines) {
  EXPECT_EQ(span_costs_table(span_costs({}, 0), 10), "   share    count    mean ms  span");
}

}  // namespace
}  // namespace trellis
