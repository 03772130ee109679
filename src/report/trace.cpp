#include "report/trace.h"

#include <fmt/format.h>

#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/version.h"
#include "report/span_costs.h"

namespace trellis {
namespace {

using nlohmann::json;

constexpr std::pair<const char*, std::int64_t SpanNumbers::*> kNumbers[] = {
    {"step", &SpanNumbers::step},           {"window", &SpanNumbers::window},         {"level", &SpanNumbers::level},
    {"level_end", &SpanNumbers::level_end}, {"time_begin", &SpanNumbers::time_begin}, {"time_end", &SpanNumbers::time_end},
    {"item", &SpanNumbers::item},           {"bytes", &SpanNumbers::bytes}};

// Text from outside (a host's name) may be no UTF-8.
std::string quoted(const std::string& text) { return json(text).dump(-1, ' ', true, json::error_handler_t::replace); }

// The format's unit is the microsecond; three digits behind the point keep every nanosecond.
void append_microseconds(std::string& text, std::int64_t nanoseconds) {
  fmt::format_to(std::back_inserter(text), "{}.{:03}", nanoseconds / 1000, nanoseconds % 1000);
}

void append_metadata(std::string& text, int rank, int track, const char* what, const std::string& value) {
  fmt::format_to(std::back_inserter(text), R"({{"name":"{}","ph":"M","pid":{},"tid":{},"args":{{{}}}}})", what, rank, track, value);
}

void append_span(std::string& text, const TraceRank& rank, const SpanRecord& span) {
  fmt::format_to(std::back_inserter(text), R"({{"name":{},"ph":"X","pid":{},"tid":{},"ts":)", quoted(span.name), rank.rank, span.track);
  append_microseconds(text, span.begin_ns - rank.origin_ns);
  text += R"(,"dur":)";
  append_microseconds(text, span.end_ns - span.begin_ns);
  std::string arguments;
  for (const auto& [name, member] : kNumbers) {
    if (span.numbers.*member < 0) continue;
    fmt::format_to(std::back_inserter(arguments), R"({}"{}":{})", arguments.empty() ? "" : ",", name, span.numbers.*member);
  }
  if (!arguments.empty()) text += R"(,"args":{)" + arguments + "}";
  text += "}";
}

}  // namespace

std::string trace_head() { return "{\"traceEvents\":["; }

std::string trace_of_rank(const TraceRank& rank, const SpanRecorder& recorder) {
  std::string text = rank.rank == 0 ? "\n" : ",\n";
  append_metadata(text, rank.rank, 0, "process_name", R"("name":)" + quoted(fmt::format("rank {} ({})", rank.rank, rank.host)));
  text += ",\n";
  append_metadata(text, rank.rank, 0, "process_sort_index", fmt::format(R"("sort_index":{})", rank.rank));
  if (recorder.dropped() > 0) {
    text += ",\n";
    append_metadata(text, rank.rank, 0, "process_labels", fmt::format(R"("labels":"{} spans found no room")", recorder.dropped()));
  }
  for (std::size_t n = 0; n < recorder.tracks().size(); ++n) {
    const int track = static_cast<int>(n);
    text += ",\n";
    append_metadata(text, rank.rank, track, "thread_name", R"("name":)" + quoted(recorder.tracks()[n]));
    text += ",\n";
    append_metadata(text, rank.rank, track, "thread_sort_index", fmt::format(R"("sort_index":{})", track));
    for (const SpanRecord& span : in_order_of_beginning(recorder.spans(), track)) {
      text += ",\n";
      append_span(text, rank, span);
    }
  }
  return text;
}

std::string trace_tail(const TraceFacts& facts) {
  const json other = {{"program", "trellis"},
                      {"program_version", kVersion},
                      {"first_step", facts.first_step},
                      {"last_step", facts.last_step},
                      {"ranks", facts.dropped.size()},
                      {"dropped_spans", facts.dropped}};
  return fmt::format("\n],\"displayTimeUnit\":\"ms\",\"otherData\":{}}}\n", other.dump());
}

}  // namespace trellis
