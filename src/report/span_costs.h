// What the spans of one track cost, by name: how often each came, and how much of the time was its own rather than that of
// spans within it. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/time_span.h"

namespace trellis {

// Spans of `track`, those that enclose others first: by beginning; of those that begin together the longer first. The input
// is in the order of ends, as a recorder has it.
std::vector<SpanRecord> in_order_of_beginning(std::span<const SpanRecord> spans, int track);

struct SpanCost {
  std::string name;
  std::int64_t count = 0;
  double own_seconds = 0;  // of all of them, without the spans within
};

// Most own time first; equal ones by name. The own times add up to the time in which any span of the track was open.
std::vector<SpanCost> span_costs(std::span<const SpanRecord> spans, int track);

// The first `most` costs as a table: share of all own time, count, mean own time, name. One line each, a header before.
std::string span_costs_table(const std::vector<SpanCost>& costs, std::size_t most);

}  // namespace trellis
