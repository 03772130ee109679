#include "predict/prediction.h"

#include <gtest/gtest.h>

#include <ctime>

#include "base/errors.h"
#include "plan/pipeline_schedule.h"
#include "predict/mesh_search.h"
#include "tests/predict/run_numbers_helpers.h"

namespace trellis {
namespace {

// Rates under which only one thing costs anything.
Rates only_levels(double row_level, double unit_level) {
  Rates rates;
  rates.intra = rates.inter = {1e300, 0};
  rates.body = BodyCost{.unit_level = unit_level, .row_level = row_level, .lowest_level = 1};
  rates.loss_row = rates.loss_window = rates.update_element = rates.window_kernels = 0;
  return rates;
}

TEST(Prediction, OfAPipelineAloneIsTheBubbleOfItsSchedule) {
  RunNumbers run = small_run();
  run.lanes = 1;
  for (const int stages : {1, 4, 8})
    for (const std::int64_t chunks : {1, 2, 8, 16}) {
      const PlanReport report = predict(run, Mesh{1, stages, 1}, chunks, only_levels(1, 0));
      EXPECT_NEAR(report.bubble, bubble_of(stages, chunks), 1e-12);
      EXPECT_NEAR(report.time.total(), 16.0 * 8 / stages * static_cast<double>(chunks + stages - 1) / static_cast<double>(chunks), 1e-9);
      EXPECT_NEAR(report.efficiency, 1 - bubble_of(stages, chunks), 1e-12);
    }
}

// Levels computed again cost what gates computed again do, but for the segment that backward finds in memory.
TEST(Prediction, CountsWhatBackwardFindsInMemory) {
  RunNumbers run = small_run();
  run.shape.levels = 16;
  const auto seconds = [&](Keep keep, int stages, std::int64_t chunks) {
    run.keep = keep;
    return predict(run, Mesh{1, stages, 1}, chunks, only_levels(1, 0)).time.total();
  };
  const double gates = seconds(Keep::states, 1, 1);
  EXPECT_NEAR(seconds(Keep::states_of_every(1), 1, 1), gates, 1e-9);
  EXPECT_NEAR(seconds(Keep::states_of_every(4), 1, 1), gates * (1 - 0.25 * 4 / 16), 1e-9);
  EXPECT_NEAR(seconds(Keep::states_of_every(6), 1, 1), gates * (1 - 0.25 * 4 / 16), 1e-9) << "two segments of six, one of four";
  EXPECT_NEAR(seconds(Keep::states_of_every(100), 1, 1), gates * 0.75, 1e-9);
  EXPECT_NEAR(seconds(Keep::states_of_every(4), 2, 8), seconds(Keep::states, 2, 8) * (1 - 0.25 * 4 / 8 / 8), 1e-9);
  run.lane_groups = 2;
  EXPECT_NEAR(seconds(Keep::states_of_every(4), 1, 1), gates * (1 - 0.25 * 4 / 16), 1e-9) << "of each group's only chunk";
}

// The bubble of two stages by following every chunk through both, forward and back.
double followed_bubble(const std::vector<Range>& times, double lower, double upper) {
  double below = 0, above = 0, steps = 0;
  for (const Range time : times) {
    const auto n = static_cast<double>(time.size());
    below += lower * n, above = std::max(above, below) + upper * n, steps += n;
  }
  double back_above = 0, back_below = 0;
  for (auto time = times.rbegin(); time != times.rend(); ++time) {
    const auto n = static_cast<double>(time->size());
    back_above += upper * n, back_below = std::max(back_below, back_above) + lower * n;
  }
  return 1 - 2 * upper * steps / (above + back_below);  // a prediction counts what the slower stage waits
}

TEST(Prediction, KnowsThatChunksOfTwoStagesGrow) {
  RunNumbers run = small_run();
  run.lanes = 1, run.steps = 128, run.shape.levels = 8;
  for (const double lowest_level : {0.1, 1.0 / 6, 0.6, 1.0})
    for (const std::int64_t chunks : {1, 2, 8, 16}) {
      Rates rates = only_levels(1, 0);
      rates.body->lowest_level = lowest_level;
      const PlanReport report = predict(run, Mesh{1, 2, 1}, chunks, rates);
      const std::vector<Range> times = PipelineLayout{.levels = 8, .stages = 2}.chunks(128, chunks);
      EXPECT_NEAR(report.bubble, followed_bubble(times, 3 + lowest_level, 4), 1e-12) << lowest_level << ", " << chunks;
    }
}

TEST(Prediction, ChoosesTheChunksThatAreFastest) {
  RunNumbers run = small_run();
  run.steps = 128;
  for (const double overhead : {0.01, 1.0, 30.0})
    for (const int stages : {2, 8}) {
      const Rates rates = only_levels(1, overhead);
      const double chosen = predict(run, Mesh{1, stages, 1}, 0, rates).time.total();
      for (std::int64_t chunks = 1; chunks <= 128; ++chunks) {
        EXPECT_LE(chosen, predict(run, Mesh{1, stages, 1}, chunks, rates).time.total() * 1.02)
            << overhead << " " << stages << " " << chunks;
      }
    }
}

TEST(ChunksByRule, FollowFromTheRunAndItsMesh) {
  RunNumbers run = small_run();
  run.steps = 128;
  EXPECT_EQ(chunks_by_rule(run, Mesh{}), 1);
  EXPECT_EQ(chunks_by_rule(run, Mesh{.data = 4}), 1);
  for (const int stages : {2, 3, 8}) {
    const std::int64_t chunks = chunks_by_rule(run, Mesh{.pipeline = stages});
    EXPECT_GE(chunks, 1);
    EXPECT_LE(chunks, run.steps);
    EXPECT_EQ(chunks, fastest_chunks(run, Mesh{.pipeline = stages}, Rates{})) << "what a plan says that is told nothing of the machine";
  }
  // more work a step is worth more chunks
  RunNumbers larger = run;
  larger.lanes *= 50;
  EXPECT_GT(chunks_by_rule(larger, Mesh{.pipeline = 4}), chunks_by_rule(run, Mesh{.pipeline = 4}));
  run.steps = 1;
  EXPECT_EQ(chunks_by_rule(run, Mesh{.pipeline = 2}), 1);
}

TEST(ChunksByRule, AreFourAStageOnGpus) {
  RunNumbers run = small_run();
  run.gpu = true, run.steps = 128;
  EXPECT_EQ(chunks_by_rule(run, Mesh{.pipeline = 3}), 12);
  EXPECT_EQ(chunks_by_rule(run, Mesh{}), 1);
  run.steps = 5;
  EXPECT_EQ(chunks_by_rule(run, Mesh{.pipeline = 3}), 5);
}

TEST(Prediction, OfReplicasAloneIsTheirLanes) {
  const RunNumbers run = small_run();  // 6 lanes
  EXPECT_NEAR(predict(run, Mesh{3, 1, 1}, 1, only_levels(1, 0)).efficiency, 1, 1e-12);
  EXPECT_NEAR(predict(run, Mesh{4, 1, 1}, 1, only_levels(1, 0)).efficiency, 6.0 / 8, 1e-12);  // two of four wait for the others
}

TEST(Prediction, StripingTheVocabularySplitsWeightsAndTraffic) {
  const RunNumbers run = wikitext103();
  Rates rates;
  rates.intra = {1.25e8, 1e-4};  // 1 Gbit/s
  const PlanReport replicated = predict(run, Mesh{2, 1, 1}, 1, rates), striped = predict(run, Mesh{2, 1, 2}, 1, rates);
  EXPECT_GT(replicated.time.total(), striped.time.total());
  const auto vocabulary = [](const PlanReport& report) {  // what the body needs is the same
    return static_cast<double>(report.memory.weights + report.memory.optimizer) - 3.0 * 4 * 44.4e6;
  };
  EXPECT_LT(vocabulary(striped), 0.55 * vocabulary(replicated));
  // in the loss: the rows that are gathered, their gradient and the tiles
  EXPECT_LT(striped.memory.loss + striped.memory.exchange, std::int64_t{100} << 20);
}

// The softmax's gradient is summed beside backward and costs only what it takes longer.
TEST(Prediction, HidesTheSoftmaxGradientBehindBackward) {
  const RunNumbers run = wikitext103();
  Rates fast, slow;
  fast.intra = {1e12, 0}, slow.intra = {1e9, 0};
  const StepTime a = predict(run, Mesh{2, 1, 1}, 1, fast).time, b = predict(run, Mesh{2, 1, 1}, 1, slow).time;
  const double summed = 2 * 137.4e6 * 4 / 2 / 1e9;
  EXPECT_LT(summed, b.backward + b.kernel_gradient);
  EXPECT_LT(b.reduction - a.reduction, summed);
}

TEST(Prediction, ChargesGroupsThatSpanNodesForTheSlowLink) {
  Rates rates;
  rates.intra = {1e11, 1e-6}, rates.inter = {1e9, 1e-5}, rates.ranks_per_node = 4;
  const auto seconds = [&](int ranks, int distance) {
    return seconds_of({"", Axis::data, Exchange::all_reduce, ranks, distance, 1, 1'000'000'000}, rates);
  };
  EXPECT_LT(seconds(4, 1), 0.03);                  // in a node
  EXPECT_NEAR(seconds(8, 1), 0.015 + 0.25, 0.01);  // a quarter of the bytes crosses from each rank
  EXPECT_NEAR(seconds(2, 4), 1, 0.01);             // one rank a node: nobody to share the link with
  EXPECT_GT(seconds(8, 4), seconds(8, 1));
}

TEST(RankMemory, FallsWithStagesAndStripes) {
  const RunNumbers run = wikitext103();
  const RankMemory whole = rank_memory(run, Mesh{}, 1, 0), stage = largest_rank_memory(run, Mesh{1, 2, 2}, 8);
  EXPECT_LT(static_cast<double>(stage.activations + stage.halo), 0.6 * static_cast<double>(whole.activations + whole.halo));
  EXPECT_LT(stage.weights + stage.optimizer, whole.weights + whole.optimizer);
  EXPECT_EQ(whole.exchange, 0);
  EXPECT_EQ(whole.gradients, whole.weights);
  EXPECT_EQ(whole.optimizer, 2 * whole.weights);
  std::int64_t sum = 0;
  for (const auto& [name, bytes] : whole.parts()) sum += bytes;
  EXPECT_EQ(sum, whole.total());
  // 10 H a token and level: h and c, the gates and c of the halo (design: 6H and what backward works with)
  EXPECT_NEAR(static_cast<double>(whole.activations), 3000.0 * 75 * 2112 * 4 * 6, 0.06 * 3000 * 75 * 2112 * 4 * 6);
}

TEST(RankMemory, IsThereForEveryAwkwardMesh) {
  RunNumbers run = small_run();
  for (const std::int64_t groups : {1, 4})
    for (const std::int64_t lanes : {1, 5})
      for (int data = 1; data <= 3; ++data)
        for (int pipeline = 1; pipeline <= 8; ++pipeline)
          for (int vocabulary = 1; vocabulary <= data * pipeline; ++vocabulary) {
            if (data * pipeline % vocabulary != 0) continue;
            run.lanes = lanes, run.lane_groups = groups;
            for (int rank = 0; rank < data * pipeline; ++rank) {
              const RankMemory memory = rank_memory(run, Mesh{data, pipeline, vocabulary}, 100, rank);
              for (const auto& [name, bytes] : memory.parts()) ASSERT_GE(bytes, 0) << name;
            }
          }
}

TEST(MeshSearch, FindsEveryMeshOnceBestFirst) {
  const std::vector<PlanReport> reports = search_meshes(small_run(), 12, {}, {});
  EXPECT_EQ(reports.size(), 4u * 6);  // 2 x 6, 3 x 4, 4 x 3, 6 x 2 fit 8 levels and 6 lanes; six numbers divide 12
  for (std::size_t n = 1; n < reports.size(); ++n) EXPECT_LE(reports[n - 1].time.total(), reports[n].time.total());
  for (const PlanReport& report : reports) {
    EXPECT_EQ(report.mesh.ranks(), 12);
    EXPECT_LE(report.mesh.pipeline, 8);
    EXPECT_LE(report.mesh.data, 6);
  }
}

TEST(MeshSearch, PutsWhatDoesNotFitLast) {
  Rates rates;
  rates.device_memory = std::int64_t{4} << 30;
  const std::vector<PlanReport> reports = search_meshes(wikitext103(), 8, {}, rates);
  EXPECT_TRUE(reports.front().fits(rates.device_memory));
  EXPECT_FALSE(reports.back().fits(rates.device_memory));
  for (std::size_t n = 1; n < reports.size(); ++n)
    EXPECT_GE(reports[n - 1].fits(rates.device_memory), reports[n].fits(rates.device_memory));
}

TEST(MeshSearch, KeepsToWhatIsAskedFor) {
  MeshWishes wishes;
  wishes.pipeline = 4, wishes.vocabulary = VocabularyLayout{VocabularyLayout::Kind::stages, 1}, wishes.chunks = 3;
  const std::vector<PlanReport> reports = search_meshes(small_run(), 12, wishes, {});
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_EQ(reports[0].mesh, (Mesh{3, 4, 4}));
  EXPECT_EQ(reports[0].chunks, 3);
}

std::string refusal(int ranks, const MeshWishes& wishes) {
  try {
    search_meshes(small_run(), ranks, wishes, {});
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(MeshSearch, SaysWhichNumbersToChangeWhereNothingFits) {
  EXPECT_NE(refusal(49, {}).find("8 levels make at most 8 stages, 6 lanes at most 6 replicas"), std::string::npos);
  EXPECT_NE(refusal(49, {}).find("use 48 ranks"), std::string::npos);
  EXPECT_NE(refusal(13, {}).find("use 12 ranks"), std::string::npos);  // prime and more than levels or lanes
  EXPECT_NE(refusal(12, {.data = {}, .pipeline = 5, .vocabulary = {}}).find("set mesh.pipeline to one of 1, 2, 3, 4, 6, 12"),
            std::string::npos);
  EXPECT_NE(refusal(12, {.data = 5, .pipeline = {}, .vocabulary = {}}).find("mesh.data"), std::string::npos);
  EXPECT_EQ(refusal(48, {}), "");
}

TEST(MeshSearch, PlansForThousandsOfRanksInLessThanASecond) {
  RunNumbers run = wikitext103();
  run.lanes = 2048;
  for (const int ranks : {4096, 5040, 7200}) {
    const std::clock_t begin = std::clock();  // of this process: other work on the machine does not count
    EXPECT_FALSE(search_meshes(run, ranks, {}, {}).empty());
    EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC) << ranks;
  }
}

}  // namespace
}  // namespace trellis
