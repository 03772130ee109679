// What the ranks of a mesh send in a window is what the formulas of predict/planned_traffic.h say, byte by byte, by kind of operation; the
// embedding's rows by the words that this very window has.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

#include "comm/threads/thread_backend.h"
#include "model/initialize.h"
#include "parallel/language_model.h"
#include "predict/planned_traffic.h"

namespace trellis {
namespace {

constexpr std::int64_t kLanes = 8, kSteps = 6, kWords = 64;
using Cutoffs = std::vector<std::int64_t>;

// Every tensor a multiple of the parameters' alignment, so that nothing between tensors is counted.
TrellisShape shape(Cutoffs cutoffs) {
  TrellisShape shape{.levels = 4, .hidden = 32, .outputs = 16, .embedding = 16, .kernel = 2, .dilations = {1}, .vocabulary = kWords,
                     .cutoffs = std::move(cutoffs)};
  shape.auxiliary_every = 2;
  return shape;
}

at::Tensor words(std::uint64_t seed, Range lanes) {
  const at::Tensor all = at::empty({kSteps, kLanes}, at::kLong);
  const RandomStream stream{.seed = seed};
  for (std::int64_t n = 0; n < all.numel(); ++n) {
    all.mutable_data_ptr<std::int64_t>()[n] = static_cast<std::int64_t>(stream.uniform(static_cast<std::uint64_t>(n)) * kWords);
  }
  return all.narrow(1, lanes.begin, lanes.size()).contiguous().view({-1});
}

Traffic counted(const MeshGroups& groups) {
  Traffic sum;
  std::set<const void*> seen;
  for (const ProcessGroup* const group : {&groups.world, &groups.replica, &groups.vocabulary, &groups.copies}) {
    if (!seen.insert(group->backend().get()).second) continue;
    sum = sum - (Traffic{} - group->traffic());
  }
  return sum;
}

std::vector<std::int64_t> tokens_of(const Mesh& mesh, int rank) {
  const at::Tensor tokens = words(1, mesh.lanes_of_replica(kLanes, mesh.replica_of(rank)));
  return {tokens.const_data_ptr<std::int64_t>(), tokens.const_data_ptr<std::int64_t>() + tokens.numel()};
}

// Distinct words of every rank of a group.
std::vector<std::vector<std::int64_t>> words_of_group(const Mesh& mesh, const Cutoffs& cutoffs, int group) {
  std::vector<std::vector<std::int64_t>> lists;
  const Range ranks = mesh.ranks_of_group(group);
  for (std::int64_t rank = ranks.begin; rank < ranks.end; ++rank) {
    lists.push_back(distinct_words(tokens_of(mesh, static_cast<int>(rank)), VocabularyStripes(kWords, cutoffs, mesh.vocabulary)));
  }
  return lists;
}

// Bytes of this window's looked-up rows that the rank sends to the other copies: as many as the copy with most has.
std::int64_t rows_sent_to_copies(const Mesh& mesh, const Cutoffs& cutoffs, int rank) {
  const VocabularyStripes stripes(kWords, cutoffs, mesh.vocabulary);
  std::size_t most = 0;
  for (int group = 0; group < mesh.groups(); ++group) {
    most = std::max(most, owned_rows(stripes, mesh.place_of(rank), words_of_group(mesh, cutoffs, group)).size());
  }
  return (mesh.groups() - 1) * static_cast<std::int64_t>(most) * 16 * 8;
}

// Bytes of this window's embedding that leave the rank, there and back.
std::int64_t embedding_rows_sent(const Mesh& mesh, const Cutoffs& cutoffs, int rank) {
  const VocabularyStripes stripes(kWords, cutoffs, mesh.vocabulary);
  const EmbeddingExchange exchange =
      plan_embedding_exchange(stripes, words_of_group(mesh, cutoffs, mesh.group_of(rank)), mesh.place_of(rank), tokens_of(mesh, rank));
  return embedding_bytes(exchange.send_counts, mesh.place_of(rank), 16, 8) + embedding_bytes(exchange.receive_counts, mesh.place_of(rank), 16, 8);
}

// Softmaxes that a row takes part in besides the first: of all targets and outputs, those in tail clusters.
std::int64_t tail_products(const TrellisShape& shape) {
  if (shape.cutoffs.empty()) return 0;
  return shape.output_count() * words(2, {0, kLanes}).ge(shape.cutoffs[0]).sum().item<std::int64_t>();
}

void expect_planned_traffic(const Mesh& mesh, const Cutoffs& cutoffs) {
  SCOPED_TRACE(describe(mesh));
  const std::int64_t chunks = 3;
  RunNumbers run;
  run.shape = shape(cutoffs);
  run.lanes = kLanes, run.steps = kSteps;
  run.element = {.weights = 8, .activations = 8};
  std::vector<Traffic> sent(static_cast<std::size_t>(mesh.ranks()));
  run_thread_mesh(mesh.ranks(), [&](const ProcessGroup& world, const SplitGroup& split, int rank) {
    const MeshGroups groups = make_mesh_groups(mesh, world, split);
    LanguageModel model(groups, run.shape, kLanes, kSteps, {.objective = {.auxiliary_weight = 0.3}, .chunks = chunks}, at::kDouble);
    Parameters weights(model.layout(), at::kDouble), gradients(model.layout(), at::kDouble);
    initialize(weights, {}, 1);
    History history = model.zero_history();
    const WindowTokens window{.steps = kSteps, .discard = 0, .tokens = words(1, model.given_lanes()), .targets = words(2, model.given_lanes())};
    const Traffic before = counted(groups);  // ranks as threads find their groups by messages, too
    model.forward_backward(weights, window, {}, history, gradients);
    sent[static_cast<std::size_t>(rank)] = counted(groups) - before;
  });
  std::int64_t broadcast = 0, planned_broadcast = 0, rows = 0, planned_rows = 0;
  for (int rank = 0; rank < mesh.ranks(); ++rank) {
    SCOPED_TRACE(fmt::format("rank {}", rank));
    Traffic planned;
    std::int64_t gathered = 0;  // rows of the group, with those that fill up its last segment
    for (const Flow& flow : traffic_of_rank(run, mesh, chunks, rank)) {
      if (flow.what == "gradient of looked-up rows (at most)") {
        planned.all_gather += rows_sent_to_copies(mesh, cutoffs, rank);
        EXPECT_LE(rows_sent_to_copies(mesh, cutoffs, rank), flow.sent()) << "the plan's is the most that can be";
        continue;
      }
      if (flow.what == "rows of outputs gathered in the group") gathered = flow.ranks * flow.payload / (16 * 8);
      if (flow.what == "three numbers a row and softmax" && !cutoffs.empty()) {  // the plan assumes how words are spread
        ASSERT_EQ(mesh.groups(), 1) << "a group with all rows";
        planned.all_gather += (flow.ranks - 1) * softmax_number_bytes(gathered + tail_products(run.shape));
        continue;
      }
      switch (flow.kind) {
        case Exchange::send: planned.send += flow.sent(); break;
        case Exchange::all_gather: planned.all_gather += flow.sent(); break;
        case Exchange::reduce_scatter: planned.reduce_scatter += flow.sent(); break;
        case Exchange::all_reduce: planned.all_reduce += flow.sent(); break;
        case Exchange::broadcast: planned_broadcast += flow.sent(); break;
        case Exchange::exchange: planned_rows += flow.sent(); break;
      }
    }
    const Traffic& actual = sent[static_cast<std::size_t>(rank)];
    EXPECT_EQ(actual.send, planned.send);
    EXPECT_EQ(actual.all_gather, planned.all_gather);
    EXPECT_EQ(actual.reduce_scatter, planned.reduce_scatter);
    EXPECT_EQ(actual.all_reduce, planned.all_reduce);
    EXPECT_EQ(actual.all_to_all, mesh.vocabulary > 1 ? embedding_rows_sent(mesh, cutoffs, rank) : 0);
    rows += actual.all_to_all;
    broadcast += actual.broadcast;
  }
  EXPECT_LE(rows, planned_rows) << "of all ranks: the plan's is the most that can be";
  EXPECT_EQ(broadcast, planned_broadcast) << "of all ranks: the one counts at its root, the other as a mean";
}

TEST(MeshTraffic, IsWhatThePlanSays) {
  for (const Mesh& mesh : {Mesh{2, 1, 2}, Mesh{1, 2, 1}, Mesh{1, 2, 2}, Mesh{2, 2, 4}, Mesh{2, 2, 2}, Mesh{4, 1, 1}, Mesh{1, 4, 4}}) {
    expect_planned_traffic(mesh, {});
  }
}

TEST(MeshTraffic, IsWhatThePlanSaysOfClustersByTheWordsOfTheWindow) {
  for (const Mesh& mesh : {Mesh{2, 1, 2}, Mesh{1, 2, 2}, Mesh{2, 2, 4}, Mesh{1, 4, 4}}) expect_planned_traffic(mesh, {16, 40});
}

}  // namespace
}  // namespace trellis
