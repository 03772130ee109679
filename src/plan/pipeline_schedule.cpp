#include "plan/pipeline_schedule.h"

#include <algorithm>
#include <cmath>

namespace trellis {
namespace {

std::vector<Range> split(std::int64_t count, std::int64_t parts) {
  std::vector<Range> ranges;
  const std::int64_t used = std::min(parts, count);
  for (std::int64_t part = 0; part < used; ++part) {
    ranges.push_back(shard_range(count, static_cast<int>(used), static_cast<int>(part)));
  }
  return ranges;
}

}  // namespace

std::vector<Range> split_steps(std::int64_t steps, std::int64_t chunks) { return split(steps, chunks); }
std::vector<Range> split_lanes(std::int64_t lanes, std::int64_t groups) { return split(lanes, groups); }

std::vector<WorkUnit> units_of(std::int64_t lanes, std::int64_t groups, std::int64_t steps, std::int64_t chunks) {
  std::vector<WorkUnit> units;
  const std::vector<Range> lane_groups = split_lanes(lanes, groups), times = split_steps(steps, chunks);
  for (std::size_t group = 0; group < lane_groups.size(); ++group) {
    for (const Range& time : times) units.push_back({static_cast<int>(group), lane_groups[group], time});
  }
  return units;
}

Range levels_of_stage(std::int64_t levels, int stages, int stage) { return shard_range(levels, stages, stage); }

int stage_of_level(std::int64_t levels, int stages, std::int64_t level) {
  int stage = 0;
  while (!levels_of_stage(levels, stages, stage).contains(level)) ++stage;
  return stage;
}

std::vector<Action> actions_of_stage(int stages, int stage, std::int64_t units) {
  const bool first = stage == 0, last = stage == stages - 1;
  std::vector<Action> actions;
  for (std::int64_t unit = 0; unit < units; ++unit) {
    if (!first) actions.push_back({Action::Kind::receive, unit});
    actions.push_back({Action::Kind::forward, unit});
    if (!last) actions.push_back({Action::Kind::send, unit});
  }
  actions.push_back({Action::Kind::loss});
  for (std::int64_t unit = units - 1; unit >= 0; --unit) {
    if (!last) actions.push_back({Action::Kind::receive_gradient, unit});
    actions.push_back({Action::Kind::backward, unit});
    if (!first) actions.push_back({Action::Kind::send_gradient, unit});
  }
  return actions;
}

std::int64_t best_chunks(int stages, double overhead, double per_step, std::int64_t steps) {
  if (stages <= 1) return 1;
  if (!(overhead > 0)) return steps;  // chunks cost nothing
  const double best = std::sqrt((stages - 1) * std::max(0.0, per_step) * static_cast<double>(steps) / overhead);
  return std::clamp<std::int64_t>(std::llround(best), 1, std::max<std::int64_t>(1, steps));
}

std::int64_t chunks_by_trials(int stages, const ChunkTrial& few, const ChunkTrial& many, std::int64_t steps) {
  // seconds = chunks * overhead + steps * per_step
  const double overhead = (many.seconds - few.seconds) / static_cast<double>(many.chunks - few.chunks);
  if (!(overhead > 0)) return many.chunks;  // too little to be seen, which says nothing of more chunks than were tried
  const double per_step = (few.seconds - static_cast<double>(few.chunks) * overhead) / static_cast<double>(steps);
  return best_chunks(stages, overhead, per_step, steps);
}

}  // namespace trellis
