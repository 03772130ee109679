// What a pipeline stage does in one step, as a list: the units of work - lane group by lane group, chunk of time by chunk of
// time - go through the stages forward in order, then the loss of the whole window, then backward in reverse.
//
//   stage 0   F0 F1 F2 .. .. L .. .. B2 B1 B0
//   stage 1   .. F0 F1 F2 .. L .. B2 B1 B0 ..
//   stage 2   .. .. F0 F1 F2 L B2 B1 B0 .. ..
//
// A stage receives the h and c of a unit from the stage below and sends those of its last level up; in backward, gradients
// of the same go down. Integers only.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/shard_range.h"

namespace trellis {

// A contiguous part of a replica's lanes over a contiguous part of the window's steps.
struct WorkUnit {
  int lane_group = 0;
  Range lanes;  // of the replica's lanes, counted from its first
  Range time;
  bool operator==(const WorkUnit&) const = default;
};

// By how much each chunk of time is longer than the one before it, until one has kMostGrowth times the first one's length.
struct ChunkGrowth {
  std::int64_t numerator = 1, denominator = 1;
  bool none() const { return numerator <= denominator; }
  bool operator==(const ChunkGrowth&) const = default;
};
inline constexpr std::int64_t kMostGrowth = 2;

// Work on a step of level 0, below which there is nothing but history, and of any other level.
inline constexpr std::int64_t kLowestLevelWork = 1, kLevelWork = 6;

// Of two stages with equally many levels the lower has less work, since level 0 has hardly any input: it waits whatever the
// chunks, but with short ones first the upper stage begins sooner, and the lower one has less left to do when the upper one's
// backward ends. Chunks that grow as the stages' work differs are the steepest that keep the upper stage busy. With more stages
// their longest chunk would be waited for, and with several lane groups the next one's first: none.
ChunkGrowth chunk_growth(std::int64_t levels, int stages, std::int64_t lane_groups);

// The chunks of a window: as even as can be, longer ones first; or growing, each within a step of its length. Fewer than asked
// for where there are fewer steps.
std::vector<Range> split_steps(std::int64_t steps, std::int64_t chunks, const ChunkGrowth& growth = {});
// The lanes of each group, likewise; none where there are no lanes.
std::vector<Range> split_lanes(std::int64_t lanes, std::int64_t groups);
// All units in the order of forward. Requires steps >= 1, lanes >= 0, groups >= 1, chunks >= 1.
std::vector<WorkUnit> units_of(std::int64_t lanes, std::int64_t groups, std::int64_t steps, std::int64_t chunks,
                               const ChunkGrowth& growth = {});

// How a run's levels and lanes lie in its pipeline, and the chunks and units that follow from it.
struct PipelineLayout {
  std::int64_t levels = 1;
  int stages = 1;
  std::int64_t lane_groups = 1;
  ChunkGrowth growth() const { return chunk_growth(levels, stages, lane_groups); }
  std::vector<Range> chunks(std::int64_t steps, std::int64_t count) const { return split_steps(steps, count, growth()); }
  std::vector<WorkUnit> units(std::int64_t lanes, std::int64_t steps, std::int64_t chunks) const {
    return units_of(lanes, lane_groups, steps, chunks, growth());
  }
};

// Levels of a stage: as even as can be, the lower stages one more (level 0, below which there is no h, costs the least).
Range levels_of_stage(std::int64_t levels, int stages, int stage);
int stage_of_level(std::int64_t levels, int stages, std::int64_t level);

struct Action {
  enum class Kind {
    receive,            // h and c of a unit from the stage below
    forward,            // of a unit
    send,               // its h and c to the stage above
    loss,               // of the window; all stages
    receive_gradient,   // of what was sent, from the stage above
    backward,           // of a unit
    send_gradient,      // of what was received, to the stage below
  } kind = Kind::forward;
  std::int64_t unit = -1;  // index into units_of; -1 for the loss
  bool operator==(const Action&) const = default;
};

// In the order in which the stage does them.
std::vector<Action> actions_of_stage(int stages, int stage, std::int64_t units);

// The share of a pipeline's time in which a stage waits, if all units cost the same.
constexpr double bubble_of(int stages, std::int64_t units) {
  return static_cast<double>(stages - 1) / static_cast<double>(units + stages - 1);
}

// Chunks that make a pipeline fastest when a stage's work on a chunk of n steps takes overhead + per_step * n:
// sqrt((stages - 1) * per_step * steps / overhead), at least 1 and at most `steps`.
std::int64_t best_chunks(int stages, double overhead, double per_step, std::int64_t steps);

// The number of chunks that was chosen for a run of so many stages.
struct ChunkChoice {
  std::int64_t stages = 1, chunks = 1;
  bool operator==(const ChunkChoice&) const = default;
};

}  // namespace trellis
