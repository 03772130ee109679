#include "predict/rank_memory.h"

#include <algorithm>

#include "plan/embedding_exchange.h"
#include "plan/loss_memory.h"
#include "plan/loss_shares.h"
#include "plan/pipeline_schedule.h"
#include "plan/vocabulary_stripes.h"
#include "predict/network_size.h"
#include "predict/planned_traffic.h"

namespace trellis {
namespace {

constexpr std::int64_t kIndexBytes = 8;           // tokens and targets are int64
constexpr std::int64_t kLaneBlockTokens = 16384;  // read at once for a lane (data/window_reader.h), 4 bytes each
constexpr std::int64_t kMessageSlots = 2;         // gradients on their way, in turns (parallel/pipeline_stage.h)

void add_levels(RankMemory& memory, const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int stage, std::int64_t lanes) {
  const Range levels = levels_of_stage(run.shape.levels, mesh.pipeline, stage);
  const bool mixed = run.element.weights != run.element.activations;
  const std::vector<Range> groups = split_lanes(lanes, run.lane_groups);
  const std::vector<Range> times = layout_of(run, mesh).chunks(run.steps, chunks);
  for (const Range& group : groups) {
    const LevelMemory::Bytes bytes = plan_level_memory(run.shape, levels, group.size(), run.steps, run.keep, mixed)
                                         .bytes(run.element, times, run.slowness);
    memory.activations += bytes.activations;
    memory.halo += bytes.halo;
  }
  if (groups.size() > 1) {  // the same rows of all lanes together
    std::int64_t outputs = 0;
    for (std::int64_t level = levels.begin; level < levels.end; ++level) {
      outputs += static_cast<std::int64_t>(run.shape.outputs_of(level).size());
    }
    memory.activations +=
        lanes * run.steps * (2 * outputs * run.shape.outputs * run.element.weights + 2 * run.shape.embedding * run.element.activations);
  }
}

}  // namespace

std::int64_t RankMemory::total() const {
  std::int64_t bytes = 0;
  for (const auto& [name, part] : parts()) bytes += part;
  return bytes;
}

std::array<std::pair<std::string_view, std::int64_t>, 10> RankMemory::parts() const {
  return {{{"weights", weights},
           {"gradients", gradients},
           {"optimizer", optimizer},
           {"kernels", kernels},
           {"activations", activations},
           {"halo", halo},
           {"loss", loss},
           {"exchange", exchange},
           {"input", input},
           {"program", program}}};
}

RankMemory rank_memory(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int rank) {
  const TrellisShape& shape = run.shape;
  const std::int64_t W = run.element.weights, A = run.element.activations;
  const int stage = mesh.stage_of(rank);
  const std::int64_t lanes = mesh.lanes_of_replica(run.lanes, mesh.replica_of(rank)).size(), tokens = lanes * run.steps;
  const VocabularyStripes stripes(shape.vocabulary, shape.cutoffs, mesh.vocabulary);
  RankMemory memory;

  const std::int64_t parameters = parameter_size(shape, stripes.rows_of(mesh.place_of(rank))).all();
  memory.weights = memory.gradients = parameters * W;
  memory.optimizer = run.optimizer_copies * parameters * W;
  // kernels that are not the parameters themselves: normalised, or rounded to a narrower type
  if (shape.weight_norm || W != A) memory.kernels = 4 * shape.hidden * shape.kernel * (shape.embedding + shape.block_channels()) * A;

  add_levels(memory, run, mesh, chunks, stage, lanes);
  if (run.slowness && stage + 1 == mesh.pipeline) memory.activations += tokens * shape.outputs * W;  // change from step to step

  const LossShares shares(mesh, output_holders(shape, mesh.pipeline), run.scored_steps(), run.lanes);
  const std::int64_t largest = shares.largest_share(mesh.group_of(rank)), own = shares.share(rank).size(), row_bytes = shape.outputs * W;
  const bool alone = mesh.vocabulary == 1;
  const std::int64_t segment = most_segment_rows(largest, mesh.vocabulary, run.loss_limits(), row_bytes),
                     together = segment * mesh.vocabulary;
  memory.loss = loss_memory(shape, stripes, alone ? own : together, run.loss_limits(), W).total();
  if (!alone || mesh.pipeline > 1) memory.exchange += 2 * own * row_bytes;  // the share's rows and their gradient
  if (!alone) memory.exchange += (3 * together + 3 * segment) * row_bytes;  // two segments and their gradient
  if (mesh.pipeline > 1) {
    const std::vector<WorkUnit> units = layout_of(run, mesh).units(lanes, run.steps, chunks);
    std::int64_t rows = 0;
    for (const WorkUnit& unit : units) rows = std::max(rows, unit.lanes.size() * unit.time.size());
    const int neighbours = (stage > 0) + (stage + 1 < mesh.pipeline);
    memory.exchange += neighbours * std::min(kMessageSlots, static_cast<std::int64_t>(units.size())) * rows * shape.hidden * (W + A);
  }
  const std::int64_t distinct = std::min(tokens, shape.vocabulary);
  if (!alone) memory.exchange += 2 * distinct * shape.embedding * W;  // rows here, and those that leave
  const std::int64_t lanes_of_group = most_lanes_of_group(mesh, run.lanes);
  if (input_gradient_travels_as_rows(mesh.groups(), lanes_of_group * run.steps, stripes.most_rows())) {
    const std::int64_t words = std::min(lanes_of_group * run.steps, shape.vocabulary) / mesh.vocabulary;
    memory.exchange += (mesh.groups() + 2) * words * shape.embedding * W;  // those of all copies
  }

  memory.input = (run.windows_ahead + 1) * 2 * tokens * kIndexBytes + lanes * kLaneBlockTokens * 4 +
                 lanes * (3 * shape.hidden + shape.embedding + shape.output_count() * shape.outputs) * W;
  return memory;
}

RankMemory largest_rank_memory(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks) {
  RankMemory largest;
  for (int stage = 0; stage < mesh.pipeline; ++stage) {
    const RankMemory memory = rank_memory(run, mesh, chunks, mesh.rank_of(0, stage));
    if (memory.total() > largest.total()) largest = memory;
  }
  return largest;
}

}  // namespace trellis
