// What the loss of WikiText-103's words takes on two ranks that share them, beside weights and their gradient: counted in
// LibTorch's allocator while it runs.
#include <gtest/gtest.h>

#include "comm/threads/thread_backend.h"
#include "parallel/vocabulary_loss.h"
#include "predict/rank_memory.h"
#include "tests/parallel/peak_allocator.h"

namespace trellis {
namespace {

constexpr std::int64_t kLanes = 40, kSteps = 75;

TrellisShape wikitext103_words() {
  TrellisShape shape{.levels = 1, .hidden = 512, .outputs = 512, .embedding = 512, .kernel = 2, .dilations = {1}, .vocabulary = 267'735,
                     .cutoffs = {2'800, 20'000, 76'000}};
  return shape;
}

// Of a hundred words 82 from the head and 10, 5 and 3 from the clusters.
at::Tensor zipf_like_words(std::int64_t count) {
  const at::Tensor words = at::empty({count}, at::kLong);
  for (std::int64_t n = 0; n < count; ++n) {
    const std::int64_t percent = n % 100, spread = n * 7919;
    words.mutable_data_ptr<std::int64_t>()[n] = percent < 82   ? spread % 2'800
                                                : percent < 92 ? 2'800 + spread % 17'200
                                                : percent < 97 ? 20'000 + spread % 56'000
                                                               : 76'000 + spread % 191'735;
  }
  return words;
}

TEST(LossPhase, Takes64MiBARankAtMostForThreeThousandRowsOf267735Words) {
  const TrellisShape shape = wikitext103_words();
  const Mesh mesh{.data = 2, .pipeline = 1, .vocabulary = 2};
  PeakAllocator allocator;
  std::int64_t extra = 0;  // of both ranks
  run_thread_mesh(mesh.ranks(), [&](const ProcessGroup& world, const SplitGroup& split, int rank) {
    const MeshGroups groups = make_mesh_groups(mesh, world, split);
    const VocabularyShare share = VocabularyShare::of(groups, shape);
    const std::int64_t lanes = mesh.lanes_of_replica(kLanes, mesh.replica_of(rank)).size();
    Parameters weights(ParameterLayout(shape, share.stripes, share.place), at::kFloat), gradients(weights.layout(), at::kFloat);
    weights.flat().fill_(0.01);
    PipelineStage stage(shape, groups.replica, lanes, kSteps, {}, at::kFloat);
    const History history{at::zeros({lanes, shape.hidden}), at::zeros({lanes, shape.hidden})};
    stage.begin_window(kSteps, 1, history, {}, {});
    stage.output(0).fill_(0.1);
    const at::Tensor words = zipf_like_words(kLanes * kSteps);
    const WindowTokens window{.steps = kSteps, .discard = 0, .tokens = words, .targets = words};
    world.barrier();
    const std::int64_t before = PeakAllocator::held();
    world.barrier();
    if (rank == 0) PeakAllocator::begin();
    world.barrier();
    VocabularyLoss loss(groups, shape, share, kLanes, {0, kLanes}, kSteps, at::kFloat);
    const double sum = loss.run(weights, stage, window, {1.0 / (kLanes * kSteps)}, {}, gradients, Accumulate::overwrite)[0].item<double>();
    world.barrier();
    EXPECT_GT(sum, 0);
    if (rank == 0) extra = PeakAllocator::peak() - before;
  });
  RunNumbers run;
  run.shape = shape, run.lanes = kLanes, run.steps = kSteps;
  const RankMemory planned = rank_memory(run, mesh, 1, 0);
  EXPECT_LT(extra, 2 * (std::int64_t{64} << 20));
  EXPECT_GT(extra, 2 * planned.loss) << "the tiles and the rows";
  EXPECT_LT(extra, 2 * (planned.loss + planned.exchange));
}

}  // namespace
}  // namespace trellis
