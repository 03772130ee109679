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

ChunkGrowth chunk_growth(std::int64_t levels, int stages, std::int64_t lane_groups) {
  if (stages != 2 || lane_groups > 1) return {};
  const std::int64_t lower = (levels_of_stage(levels, 2, 0).size() - 1) * kLevelWork + kLowestLevelWork;
  const std::int64_t upper = levels_of_stage(levels, 2, 1).size() * kLevelWork;
  return upper > lower ? ChunkGrowth{upper, lower} : ChunkGrowth{};
}

std::vector<Range> split_steps(std::int64_t steps, std::int64_t chunks, const ChunkGrowth& growth) {
  const std::int64_t used = std::min(steps, chunks);
  if (growth.none() || used <= 1) return split(steps, chunks);
  // lengths in integers, since all ranks must come by the same
  constexpr std::int64_t first = 1 << 16;
  std::vector<std::int64_t> ends;
  std::int64_t length = first, sum = 0;
  for (std::int64_t chunk = 0; chunk < used; ++chunk) {
    ends.push_back(sum += length);
    length = std::min(kMostGrowth * first, length * growth.numerator / growth.denominator);
  }
  std::vector<Range> ranges;
  std::int64_t begin = 0;
  for (std::int64_t chunk = 0; chunk < used; ++chunk) {
    const std::int64_t end = (2 * steps * ends[static_cast<std::size_t>(chunk)] + sum) / (2 * sum);
    ranges.push_back({begin, std::clamp(end, begin + 1, steps - (used - 1 - chunk))});
    begin = ranges.back().end;
  }
  return ranges;
}
std::vector<Range> split_lanes(std::int64_t lanes, std::int64_t groups) { return split(lanes, groups); }

std::vector<WorkUnit> units_of(std::int64_t lanes, std::int64_t groups, std::int64_t steps, std::int64_t chunks,
                               const ChunkGrowth& growth) {
  std::vector<WorkUnit> units;
  const std::vector<Range> lane_groups = split_lanes(lanes, groups), times = split_steps(steps, chunks, growth);
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

}  // namespace trellis
