#include "predict/planned_traffic.h"

#include <algorithm>
#include <cmath>

#include "plan/embedding_exchange.h"
#include "plan/loss_memory.h"
#include "plan/pipeline_schedule.h"
#include "plan/vocabulary_stripes.h"
#include "predict/network_size.h"

namespace trellis {

std::int64_t Flow::sent() const {
  switch (kind) {
    case Exchange::send:
    case Exchange::exchange:
      return payload;
    case Exchange::all_gather:
      return (ranks - 1) * payload;
    case Exchange::reduce_scatter:
    case Exchange::broadcast:
      return payload * (ranks - 1) / ranks;
    case Exchange::all_reduce:
      return 2 * payload * (ranks - 1) / ranks;
  }
  return payload;
}

std::int64_t boundary_bytes(std::int64_t tokens, std::int64_t hidden, const ElementBytes& element) {
  return tokens * hidden * (element.activations + element.weights);
}

std::int64_t history_bytes(std::int64_t lanes, std::int64_t hidden, const ElementBytes& element) {
  return 2 * lanes * hidden * element.weights;
}

DealtRows dealt_rows(const std::vector<RowTransfer>& transfers, int stage) {
  DealtRows dealt;
  for (const RowTransfer& transfer : transfers) {
    if (transfer.from == transfer.to) continue;
    if (transfer.from == stage) dealt.out += transfer.rows.size();
    if (transfer.to == stage) dealt.back += transfer.rows.size();
    dealt.messages += transfer.from == stage || transfer.to == stage;
  }
  return dealt;
}

std::int64_t softmax_number_bytes(std::int64_t row_products) { return row_products * 3 * 8; }

std::int64_t embedding_bytes(std::span<const std::int64_t> counts, int place, std::int64_t embedding, std::int64_t element_bytes) {
  std::int64_t rows = 0;
  for (std::size_t other = 0; other < counts.size(); ++other) rows += other == static_cast<std::size_t>(place) ? 0 : counts[other];
  return rows * embedding * element_bytes;
}

std::int64_t most_embedding_rows(std::int64_t tokens_of_replica, std::int64_t vocabulary, int group) {
  const std::int64_t distinct = std::min(tokens_of_replica, vocabulary);
  return (distinct * (group - 1) + group - 1) / group;  // of each other rank's words this one owns a part of 1 / group
}

std::int64_t most_lanes_of_group(const Mesh& mesh, std::int64_t lanes) {
  // groups lie to the replicas as one of the first `pipeline` groups does, whose replicas have no fewer lanes
  std::int64_t most = 0;
  for (int group = 0; group < std::min(mesh.groups(), mesh.pipeline); ++group)
    most = std::max(most, mesh.lanes_of_group(lanes, group).size());
  return most;
}

std::vector<Flow> traffic_of_rank(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int rank) {
  const LossShares shares(mesh, output_holders(run.shape, mesh.pipeline), run.scored_steps(), run.lanes);
  return traffic_of_rank(run, mesh, chunks, rank, shares, shares.transfers(mesh.replica_of(rank)));
}

std::vector<Flow> traffic_of_rank(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int rank, const LossShares& shares,
                                  const std::vector<RowTransfer>& transfers) {
  const TrellisShape& shape = run.shape;
  const std::int64_t W = run.element.weights, E = shape.embedding, O = shape.outputs;
  const int stage = mesh.stage_of(rank), group = mesh.vocabulary, copies = mesh.groups();
  const std::int64_t lanes = mesh.lanes_of_replica(run.lanes, mesh.replica_of(rank)).size(), tokens = lanes * run.steps;
  const std::int64_t units = std::min(run.lane_groups, lanes) * std::min(chunks, run.steps);
  std::vector<Flow> flows;

  if (mesh.pipeline > 1 && lanes > 0) {
    const std::int64_t boundary = boundary_bytes(tokens, shape.hidden, run.element);
    const auto message = [&](std::string_view what) { flows.push_back({what, Axis::pipeline, Exchange::send, 2, 1, 2 * units, boundary}); };
    if (stage + 1 < mesh.pipeline) message("h and c to the stage above");
    if (stage > 0) message("gradients of h and c to the stage below");
    flows.push_back({"history from the last stage", Axis::pipeline, Exchange::broadcast, mesh.pipeline, 1, 2,
                     history_bytes(lanes, shape.hidden, run.element)});
    const DealtRows dealt = dealt_rows(transfers, stage);
    if (dealt.out + dealt.back > 0) {
      flows.push_back({"rows of outputs dealt to stages, and their gradients", Axis::pipeline, Exchange::send, 2, 1, dealt.messages,
                       (dealt.out + dealt.back) * O * W});
    }
  }

  const VocabularyStripes stripes(shape.vocabulary, shape.cutoffs, group);
  if (group > 1) {
    const std::int64_t largest = shares.largest_share(mesh.group_of(rank));
    const Segments cut = segments_of(largest, most_segment_rows(largest, group, run.loss_limits(), O * W));
    const std::int64_t segments = cut.count, rows = cut.count * cut.rows;  // of every rank, with those that fill up the last segment
    flows.push_back({"rows of outputs gathered in the group", Axis::vocabulary, Exchange::all_gather, group, 1, segments, rows * O * W});
    flows.push_back(
        {"gradients of those rows summed", Axis::vocabulary, Exchange::reduce_scatter, group, 1, segments, rows * group * O * W});
    const std::vector<double> of_cluster = cluster_shares_of(run);
    double products = shape.experts > 0 ? static_cast<double>(shape.experts) : 1;
    for (std::size_t cluster = 1; cluster < of_cluster.size(); ++cluster) products += of_cluster[cluster];
    flows.push_back({"three numbers a row and softmax", Axis::vocabulary, Exchange::all_gather, group, 1, segments * stripes.clusters(),
                     softmax_number_bytes(std::llround(products * static_cast<double>(rows * group)))});
    const std::int64_t embedded = most_embedding_rows(tokens, shape.vocabulary, group) * E * W;
    flows.push_back({"rows of the embedding (at most)", Axis::vocabulary, Exchange::exchange, group, 1, 1, embedded});
    flows.push_back({"gradients of those rows (at most)", Axis::vocabulary, Exchange::exchange, group, 1, 1, embedded});
  }

  const std::int64_t stripe = stripes.most_rows();
  const ParameterSize size = parameter_size(shape, stripe);
  const std::int64_t lanes_of_group = most_lanes_of_group(mesh, run.lanes);
  const bool rows_travel = input_gradient_travels_as_rows(copies, lanes_of_group * run.steps, stripe);
  if (copies > 1 && (group > 1 || rows_travel)) {
    flows.push_back({rows_travel ? "gradient of the softmax's words, beside backward" : "gradient of words", Axis::data,
                     Exchange::all_reduce, copies, group, 1, size.vocabulary * W});
  }
  if (rows_travel) {
    const std::int64_t owned = std::min(stripe, (std::min(lanes_of_group * run.steps, shape.vocabulary) + group - 1) / group);
    flows.push_back({"gradient of looked-up rows (at most)", Axis::data, Exchange::all_gather, copies, group, 1, owned * E * W});
  }
  if (mesh.ranks() > 1) {
    const bool in_one = group == 1 && !rows_travel;
    flows.push_back({in_one ? "gradient" : "gradient of kernels", Axis::data, Exchange::all_reduce, mesh.ranks(), 1, 1,
                     (size.body + (in_one ? size.vocabulary : 0)) * W});
  }
  for (Flow& flow : flows) {  // gradients are summed once a step, whatever windows it has
    if (flow.axis == Axis::data) continue;
    flow.calls *= run.accumulate;
    flow.payload *= run.accumulate;
  }
  return flows;
}

std::int64_t sent_bytes(const std::vector<Flow>& flows, Axis axis) {
  std::int64_t bytes = 0;
  for (const Flow& flow : flows) bytes += flow.axis == axis ? flow.sent() : 0;
  return bytes;
}

std::string_view name_of(Axis axis) {
  switch (axis) {
    case Axis::pipeline:
      return "pipeline";
    case Axis::vocabulary:
      return "vocabulary";
    case Axis::data:
      return "data";
  }
  return "";
}

}  // namespace trellis
