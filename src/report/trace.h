// Spans of several ranks as one timeline in Chrome's trace format (JSON, "traceEvents"), which ui.perfetto.dev and
// chrome://tracing draw: a process is a rank, a thread of it a track of its recorder. docs/formats.md, "Profile".
//
// The text is made in pieces, so that no rank needs to hold those of the others:
//   trace_head(), then trace_of_rank() of each rank from 0 on, then trace_tail().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/span_recorder.h"

namespace trellis {

struct TraceRank {
  int rank = 0;
  std::string host = {};
  std::int64_t origin_ns = 0;  // of this rank's clock: the timeline's zero, not after any of its spans' beginnings
};

// About the whole timeline.
struct TraceFacts {
  std::int64_t first_step = 0, last_step = 0;  // of the optimizer, from 1
  std::vector<std::int64_t> dropped = {};      // spans that found no room, by rank
};

std::string trace_head();
// The recorder has been stopped. Events of a track come in the order of their beginnings.
std::string trace_of_rank(const TraceRank& rank, const SpanRecorder& recorder);
std::string trace_tail(const TraceFacts& facts);

}  // namespace trellis
