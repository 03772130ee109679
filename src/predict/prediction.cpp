#include "predict/prediction.h"

#include <algorithm>
#include <cmath>

#include "plan/loss_memory.h"
#include "plan/loss_shares.h"
#include "plan/pipeline_schedule.h"
#include "plan/vocabulary_stripes.h"
#include "predict/network_size.h"

namespace trellis {
namespace {

// Forward's share of a unit: a product of three where gates are kept; where they are computed again, one of four.
double forward_share(Keep keep) { return keep.all_gates ? 1.0 / 3 : 0.25; }

// Share of a stage's rows of levels that are not computed again although gates are not kept: of the last chunk, the uppermost
// segment is in memory when backward begins.
double share_in_memory(const RunNumbers& run, const Mesh& mesh, std::int64_t units) {
  if (run.keep.all_gates || run.keep.every == 1) return 0;
  const Range levels = levels_of_stage(run.shape.levels, mesh.pipeline, mesh.pipeline - 1);
  const Range uppermost = LevelSegments{levels, run.keep.every}.segment_of(levels.end - 1);
  const auto groups = static_cast<double>(run.lane_groups);
  return static_cast<double>(uppermost.size()) / static_cast<double>(levels.size()) * groups / std::max(groups, static_cast<double>(units));
}

// Levels of a stage, level 0 counted for what it costs.
double work_of_stage(const RunNumbers& run, const Mesh& mesh, const BodyCost& body, int stage) {
  const Range levels = levels_of_stage(run.shape.levels, mesh.pipeline, stage);
  return static_cast<double>(levels.size()) - (levels.begin == 0 ? 1 - body.lowest_level : 0);
}

// The same of the stage that has most.
double most_levels(const RunNumbers& run, const Mesh& mesh, const BodyCost& body) {
  double most = 0;
  for (int stage = 0; stage < std::min(mesh.pipeline, 2); ++stage) {  // later stages have no more than stage 1
    most = std::max(most, work_of_stage(run, mesh, body, stage));
  }
  return most;
}

// How long the upper of two stages waits in all, in mean chunks, where the lower one has `lower` times its work.
double wait_for_growing_chunks(const std::vector<Range>& times, double lower) {
  double longest = 0, before = 0;
  for (const Range time : times) {
    const auto steps = static_cast<double>(time.size());
    longest = std::max(longest, lower * (before + steps) - before);
    before += steps;
  }
  return longest * static_cast<double>(times.size()) / before;
}

struct Wave {
  double unit = 0, hop = 0;  // seconds of the slowest stage's unit; of a unit's way to the next stage
  std::int64_t units = 1;
  int stages = 1;
  double fill = 1;  // units that a stage waits for the one before it
  double work() const { return static_cast<double>(units) * unit; }
  double total() const { return static_cast<double>(units) * std::max(unit, hop) + static_cast<double>(stages - 1) * (fill * unit + hop); }
};

Wave wave_of(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, const Rates& rates, const BodyCost& body) {
  const std::int64_t lanes = mesh.lanes_of_replica(run.lanes, 0).size();
  Wave wave;
  wave.stages = mesh.pipeline;
  wave.units = std::max<std::int64_t>(1, std::min(run.lane_groups, lanes) * std::min(chunks, run.steps));
  const double rows = static_cast<double>(lanes * run.steps) / static_cast<double>(wave.units), levels = most_levels(run, mesh, body);
  const double computed = 1 - forward_share(run.keep) * share_in_memory(run, mesh, wave.units);
  wave.unit = body.unit + levels * body.unit_level + rows * (body.row + levels * body.row_level * computed);
  if (mesh.pipeline > 1) {
    if (const PipelineLayout layout = layout_of(run, mesh); !layout.growth().none()) {
      wave.fill = wait_for_growing_chunks(layout.chunks(run.steps, chunks), work_of_stage(run, mesh, body, 0) / levels);
    }
    const Flow hop{"",
                   Axis::pipeline,
                   Exchange::send,
                   2,
                   1,
                   2,
                   static_cast<std::int64_t>(rows * static_cast<double>(boundary_bytes(1, run.shape.hidden, run.element)))};
    wave.hop = 2 * seconds_of(hop, rates);  // forward and, of the gradients, backward
  }
  return wave;
}

// A ring's or tree's steps.
double rounds(int ranks) { return ranks > 1 ? std::ceil(std::log2(ranks)) : 0; }

double over(const Link& link, double bytes, double messages, bool summed = false) {
  const double rate = summed && link.summed_bytes_per_second > 0 ? link.summed_bytes_per_second : link.bytes_per_second;
  return bytes / rate + messages * link.latency_seconds;
}

}  // namespace

double seconds_of(const Flow& flow, const Rates& rates) {
  if (flow.ranks <= 1 || flow.calls == 0) return 0;
  const auto bytes = static_cast<double>(flow.sent()), calls = static_cast<double>(flow.calls);
  const double messages = calls * (flow.kind == Exchange::send ? 1 : flow.kind == Exchange::exchange ? flow.ranks - 1 : rounds(flow.ranks));
  const int node = rates.ranks_per_node;
  // ranks of the group in one node
  const int together = node == 0 ? flow.ranks : std::clamp(node / flow.distance, 1, flow.ranks);
  const bool summed = flow.kind == Exchange::all_reduce || flow.kind == Exchange::reduce_scatter;
  if (together == flow.ranks) return over(rates.intra, bytes, messages, summed);
  if (together == 1 || flow.kind == Exchange::send) return over(rates.inter, bytes, messages, summed);
  // ranks that share a node send each other what only one of them has to send on
  const double nodes = std::ceil(static_cast<double>(flow.ranks) / together), inside = together;
  const auto payload = static_cast<double>(flow.payload);
  switch (flow.kind) {
    case Exchange::all_reduce:
      return over(rates.intra, 2 * payload * (inside - 1) / inside, calls * 2 * rounds(together), summed) +
             over(rates.inter, 2 * payload / inside * (nodes - 1) / nodes, calls * 2 * rounds(static_cast<int>(nodes)), summed);
    case Exchange::reduce_scatter:
      return over(rates.intra, payload * (inside - 1) / inside, calls * rounds(together), summed) +
             over(rates.inter, payload / inside * (nodes - 1) / nodes, calls * rounds(static_cast<int>(nodes)), summed);
    case Exchange::all_gather:  // every rank's part crosses to each other node once, then goes round inside
      return over(rates.inter, payload * (nodes - 1), calls * rounds(static_cast<int>(nodes))) +
             over(rates.intra, payload * nodes * (inside - 1), calls * rounds(together));
    default:
      return over(rates.inter, bytes, messages);
  }
}

std::int64_t fastest_chunks(const RunNumbers& run, const Mesh& mesh, const Rates& rates) {
  if (mesh.pipeline == 1) return 1;
  const BodyCost body = costs_of(run, rates).body;
  const double levels = most_levels(run, mesh, body);
  const double per_step = static_cast<double>(mesh.lanes_of_replica(run.lanes, 0).size()) * (body.row + levels * body.row_level);
  const std::int64_t first = best_chunks(mesh.pipeline, body.unit + levels * body.unit_level, per_step, run.steps);
  // the formula knows nothing of messages: look around
  std::int64_t best = first;
  const auto length = [&](std::int64_t chunks) { return wave_of(run, mesh, chunks, rates, body).total(); };
  for (const std::int64_t chunks : {first / 4, first / 2, 3 * first / 4, first * 3 / 2, first * 2}) {
    if (1 <= chunks && chunks <= run.steps && length(chunks) < length(best)) best = chunks;
  }
  return best;
}

std::int64_t chunks_by_rule(const RunNumbers& run, const Mesh& mesh) {
  constexpr std::int64_t kChunksPerStage = 4;
  if (mesh.pipeline == 1) return 1;
  return run.gpu ? std::min(run.steps, kChunksPerStage * mesh.pipeline) : fastest_chunks(run, mesh, Rates{});
}

PlanReport predict(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, const Rates& rates) {
  const double one_rank = mesh == Mesh{} ? 0 : predict(run, Mesh{}, 1, rates, 0).tokens_per_second;
  return predict(run, mesh, chunks, rates, one_rank);
}

PlanReport predict(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, const Rates& rates, double one_rank_tokens_per_second) {
  const Costs costs = costs_of(run, rates);
  PlanReport report;
  report.mesh = mesh;
  report.chunks = std::min(run.steps, chunks > 0 ? chunks : fastest_chunks(run, mesh, rates));
  report.memory = largest_rank_memory(run, mesh, report.chunks);
  report.memory.program = rates.program_bytes.value_or(0);

  const LossShares shares(mesh, output_holders(run.shape, mesh.pipeline), run.scored_steps(), run.lanes);
  const std::vector<RowTransfer> transfers = shares.transfers(0);
  std::int64_t most = -1;
  for (int stage = 0; stage < mesh.pipeline; ++stage) {
    std::vector<Flow> flows = traffic_of_rank(run, mesh, report.chunks, mesh.rank_of(0, stage), shares, transfers);
    std::int64_t sent = 0;
    for (const Flow& flow : flows) sent += flow.sent();
    if (sent > most) most = sent, report.traffic = std::move(flows);
  }

  const Wave wave = wave_of(run, mesh, report.chunks, rates, costs.body);
  report.units = wave.units;
  report.bubble = 1 - wave.work() / wave.total();
  StepTime& time = report.time;
  const double forward = forward_share(run.keep);
  const auto windows = static_cast<double>(run.accumulate);
  time.forward = windows * forward * wave.total();
  time.backward = windows * (1 - forward) * wave.total();
  const std::int64_t tokens = mesh.lanes_of_replica(run.lanes, 0).size() * run.steps;
  time.kernel_gradient = windows * static_cast<double>(tokens) * most_levels(run, mesh, costs.body) * costs.body.window_row_level;
  time.kernels = costs.window_kernels;
  const VocabularyStripes stripes(run.shape.vocabulary, run.shape.cutoffs, mesh.vocabulary);
  time.update = static_cast<double>(parameter_size(run.shape, stripes.most_rows()).all()) * costs.update_element;

  // A group works on the rows of all its ranks, each rank with its part of the words.
  const std::int64_t share = shares.largest_share(0), row_bytes = run.shape.outputs * run.element.weights;
  const Segments cut = segments_of(share, most_segment_rows(share, mesh.vocabulary, run.loss_limits(), row_bytes));
  const std::int64_t rows = mesh.vocabulary == 1 ? share : cut.count * cut.rows;
  time.loss = windows * (static_cast<double>(rows) * costs.loss_row + costs.loss_window / mesh.vocabulary);
  double beside_backward = 0;
  for (const Flow& flow : report.traffic) {
    const double seconds = seconds_of(flow, rates);
    if (flow.axis == Axis::data) {
      // the softmax's gradient is there before backward begins
      (flow.what.ends_with("beside backward") ? beside_backward : time.reduction) += seconds;
    } else if (flow.axis == Axis::vocabulary) {
      (flow.kind == Exchange::exchange ? time.embedding : time.loss) += seconds;
    } else if (flow.kind == Exchange::broadcast) {
      time.forward += seconds;
    } else if (flow.what.starts_with("rows of outputs")) {
      time.loss += seconds;
    }
  }
  time.reduction += std::max(0.0, beside_backward - (time.backward + time.kernel_gradient) / windows);  // of the last window

  report.tokens_per_second = static_cast<double>(run.tokens()) / time.total();
  report.efficiency = mesh == Mesh{} ? 1 : report.tokens_per_second / one_rank_tokens_per_second / mesh.ranks();
  return report;
}

}  // namespace trellis
