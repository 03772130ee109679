#include "predict/planned_traffic.h"

#include <gtest/gtest.h>

#include <vector>

#include "plan/embedding_exchange.h"
#include "plan/pipeline_schedule.h"
#include "predict/network_size.h"
#include "tests/predict/run_numbers_helpers.h"

namespace trellis {
namespace {

const Flow* find(const std::vector<Flow>& flows, std::string_view what) {
  for (const Flow& flow : flows) {
    if (flow.what.starts_with(what)) return &flow;
  }
  return nullptr;
}

// The worked example of docs/parallelism.md.
TEST(Traffic, OfWikiText103OnTwoRanksIsAsTheDocumentSays) {
  const RunNumbers run = wikitext103();
  const std::vector<Flow> stages = traffic_of_rank(run, Mesh{1, 2, 2}, 8, 0);
  EXPECT_EQ(find(stages, "h and c to the stage above")->payload, 3000 * 2112 * (4 + 4));  // 50.7 MB
  EXPECT_EQ(find(stages, "h and c to the stage above")->calls, 16);
  EXPECT_EQ(find(stages, "history")->payload, 2 * 40 * 2112 * 4);                                 // 0.7 MB
  EXPECT_EQ(find(stages, "gradient of kernels")->sent(), parameter_size(run.shape, 0).body * 4);  // 177 MB
  const std::vector<Flow> last = traffic_of_rank(run, Mesh{1, 2, 2}, 8, 1);
  EXPECT_EQ(find(last, "rows of outputs dealt")->payload, 1500 * 512 * 4);    // 3.1 MB: half of them go to stage 0
  EXPECT_EQ(find(stages, "rows of outputs dealt")->payload, 1500 * 512 * 4);  // whose gradients come back

  const std::int64_t striped = sent_bytes(traffic_of_rank(run, Mesh{2, 1, 2}, 1, 0), Axis::vocabulary);
  std::int64_t replicated = 0;
  for (const Flow& flow : traffic_of_rank(run, Mesh{2, 1, 1}, 1, 0)) {
    if (!flow.what.starts_with("gradient of kernels")) replicated += flow.sent();
  }
  EXPECT_EQ(find(traffic_of_rank(run, Mesh{2, 1, 1}, 1, 0), "gradient of the softmax's words")->sent(),
            parameter_size(run.shape, 267735).vocabulary * 4);
  EXPECT_LT(static_cast<double>(striped), 0.15 * static_cast<double>(replicated));
  EXPECT_NEAR(static_cast<double>(striped), 9.4e6, 0.1e6);
  EXPECT_NEAR(static_cast<double>(replicated), 552.5e6, 0.5e6);
}

TEST(Traffic, OneRankSendsNothing) { EXPECT_TRUE(traffic_of_rank(small_run(), Mesh{}, 4, 0).empty()); }

// What one stage sends up is what the next may receive; ends have one neighbour; all in proportion to the lanes.
TEST(Traffic, OfThePipelineFitsTheSchedule) {
  const RunNumbers run = small_run();
  const Mesh mesh{4, 4, 1};  // 6 lanes: two replicas with 2, two with 1
  for (int replica = 0; replica < 4; ++replica)
    for (int stage = 0; stage < 4; ++stage) {
      const std::int64_t lanes = replica < 2 ? 2 : 1, units = 5;
      const std::vector<Flow> flows = traffic_of_rank(run, mesh, 5, mesh.rank_of(replica, stage));
      std::int64_t sends = 0, receives = 0;
      for (const Action& action : actions_of_stage(4, stage, units)) {
        sends += action.kind == Action::Kind::send || action.kind == Action::Kind::send_gradient;
        receives += action.kind == Action::Kind::receive || action.kind == Action::Kind::receive_gradient;
      }
      EXPECT_EQ(sends, receives);
      std::int64_t calls = 0, bytes = 0;
      for (const char* what : {"h and c", "gradients of h and c"}) {
        if (const Flow* flow = find(flows, what)) calls += flow->calls, bytes += flow->payload;
      }
      EXPECT_EQ(calls, 2 * sends);  // h and c apart
      EXPECT_EQ(bytes, sends / units * lanes * 16 * 64 * 8);
    }
}

// All stages together: a row leaves where another receives it, and its gradient comes back.
TEST(Traffic, OfDealtRowsBalancesOverAReplica) {
  for (int pipeline = 1; pipeline <= 8; ++pipeline) {
    const RunNumbers run = small_run();
    const Mesh mesh{1, pipeline, 1};
    const LossShares shares(mesh, output_holders(run.shape, pipeline), run.scored_steps(), run.lanes);
    const std::vector<RowTransfer> transfers = shares.transfers(0);
    std::int64_t out = 0, back = 0, stayed = 0;
    for (int stage = 0; stage < pipeline; ++stage) {
      const DealtRows dealt = dealt_rows(transfers, stage);
      out += dealt.out, back += dealt.back;
      stayed += shares.share(stage).size() - dealt.back;
    }
    EXPECT_EQ(out, back);
    EXPECT_EQ(out + stayed, 3 * 16 * 6);
    EXPECT_EQ(out == 0, pipeline == 1);
  }
}

// With the counts of real exchanges: what leaves all ranks arrives at all, and no count is above the bound.
TEST(Traffic, OfTheEmbeddingIsBoundedByDistinctWords) {
  const RunNumbers run = small_run();
  for (const int group : {1, 2, 3, 6}) {
    const VocabularyStripes stripes(run.shape.vocabulary, run.shape.cutoffs, group);
    std::vector<std::vector<std::int64_t>> tokens(static_cast<std::size_t>(group)), words;
    for (int rank = 0; rank < group; ++rank) {
      for (std::int64_t n = 0; n < 97; ++n) tokens[static_cast<std::size_t>(rank)].push_back((n * n * 31 + rank * 7) % 1000);
      words.push_back(distinct_words(tokens[static_cast<std::size_t>(rank)], stripes));
    }
    std::int64_t sent = 0, received = 0, bound = 0;
    for (int rank = 0; rank < group; ++rank) {
      const EmbeddingExchange exchange = plan_embedding_exchange(stripes, words, rank, tokens[static_cast<std::size_t>(rank)]);
      sent += embedding_bytes(exchange.send_counts, rank, 32, 4);
      received += embedding_bytes(exchange.receive_counts, rank, 32, 4);
      bound += most_embedding_rows(97, run.shape.vocabulary, group) * 32 * 4;
      if (group == 1) {
        EXPECT_EQ(sent, 0);
      }
    }
    EXPECT_EQ(sent, received);
    EXPECT_LE(sent, bound);
  }
  EXPECT_EQ(most_embedding_rows(3000, 267735, 2), 1500);
  EXPECT_EQ(most_embedding_rows(3000, 100, 4), 75);  // no more than there are words
}

TEST(Traffic, SumsLookedUpRowsOnlyWhereTheyAreFewer) {
  const RunNumbers run = wikitext103();
  EXPECT_EQ(find(traffic_of_rank(run, Mesh{2, 1, 1}, 1, 0), "gradient of looked-up rows")->kind, Exchange::all_gather);
  RunNumbers few = run;
  few.shape.vocabulary = 2000, few.shape.cutoffs = {};
  // all in one message where every rank has the whole vocabulary, otherwise the stripes over their copies, the rest over all
  const std::vector<Flow> whole = traffic_of_rank(few, Mesh{2, 1, 1}, 1, 0);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].payload, (parameter_size(few.shape, 2000).vocabulary + parameter_size(few.shape, 0).body) * 4);
  const std::vector<Flow> striped = traffic_of_rank(few, Mesh{4, 1, 2}, 1, 0);
  EXPECT_EQ(find(striped, "gradient of words")->payload, parameter_size(few.shape, 1000).vocabulary * 4);
  EXPECT_EQ(find(striped, "gradient of words")->ranks, 2);
  EXPECT_EQ(find(striped, "gradient of kernels")->payload, parameter_size(few.shape, 0).body * 4);
}

TEST(Traffic, KnowsTheLargestGroupWithoutLookingAtAll) {
  for (int data = 1; data <= 9; ++data)
    for (int pipeline = 1; pipeline <= 6; ++pipeline)
      for (int vocabulary = 1; vocabulary <= data * pipeline; ++vocabulary) {
        if (data * pipeline % vocabulary != 0) continue;
        const Mesh mesh{data, pipeline, vocabulary};
        for (const std::int64_t lanes : {1, 5, 7, 23}) {
          std::int64_t most = 0;
          for (int group = 0; group < mesh.groups(); ++group) most = std::max(most, mesh.lanes_of_group(lanes, group).size());
          ASSERT_EQ(most_lanes_of_group(mesh, lanes), most) << describe(mesh) << " " << lanes;
        }
      }
}

TEST(Flow, CountsWhatLeavesARank) {
  const auto sent = [](Exchange kind) { return Flow{"", Axis::data, kind, 4, 1, 1, 1000}.sent(); };
  EXPECT_EQ(sent(Exchange::send), 1000);
  EXPECT_EQ(sent(Exchange::exchange), 1000);
  EXPECT_EQ(sent(Exchange::all_gather), 3000);
  EXPECT_EQ(sent(Exchange::reduce_scatter), 750);
  EXPECT_EQ(sent(Exchange::broadcast), 750);
  EXPECT_EQ(sent(Exchange::all_reduce), 1500);
}

// Several windows a step send as often what belongs to a window, and sum their gradients once.
TEST(Traffic, OfSeveralWindowsSumsGradientsOnce) {
  RunNumbers once = small_run(), thrice = once;
  thrice.accumulate = 3;
  const Mesh mesh{2, 2, 2};
  for (int rank = 0; rank < mesh.ranks(); ++rank) {
    const std::vector<Flow> a = traffic_of_rank(once, mesh, 2, rank), b = traffic_of_rank(thrice, mesh, 2, rank);
    for (const Axis axis : {Axis::pipeline, Axis::vocabulary}) EXPECT_EQ(sent_bytes(b, axis), 3 * sent_bytes(a, axis));
    EXPECT_EQ(sent_bytes(b, Axis::data), sent_bytes(a, Axis::data));
    EXPECT_GT(sent_bytes(a, Axis::data), 0);
  }
}

// No rank of any mesh sends less than nothing, and groups of one exchange no rows.
TEST(Traffic, IsThereForEveryAwkwardMesh) {
  RunNumbers run = small_run();
  run.lane_groups = 4;
  for (const std::int64_t lanes : {1, 3, 6})
    for (int data = 1; data <= 4; ++data)
      for (int pipeline = 1; pipeline <= 8; ++pipeline)
        for (int vocabulary = 1; vocabulary <= data * pipeline; ++vocabulary) {
          if (data * pipeline % vocabulary != 0) continue;
          run.lanes = lanes;
          const Mesh mesh{data, pipeline, vocabulary};
          for (int rank = 0; rank < mesh.ranks(); ++rank)
            for (const Flow& flow : traffic_of_rank(run, mesh, 100, rank)) {
              ASSERT_GE(flow.sent(), 0) << flow.what;
              ASSERT_GT(flow.ranks, 1) << flow.what;
              ASSERT_GE(flow.payload, 0);
              ASSERT_FALSE(flow.axis == Axis::vocabulary && vocabulary == 1);
              ASSERT_FALSE(flow.axis == Axis::pipeline && pipeline == 1);
            }
        }
}

}  // namespace
}  // namespace trellis
