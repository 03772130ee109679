#include "trainer/run_numbers_from.h"

#include <gtest/gtest.h>

#include "config/settings_io.h"
#include "train/from_settings.h"

namespace trellis {
namespace {

RunNumbers numbers_of(std::vector<std::string> words) {
  const LoadedSettings loaded = load_settings({}, words);
  return run_numbers_from(loaded.settings, shape_from(loaded.settings, 1000), false);
}

TEST(RunNumbersFrom, TakesWhatMemoryAndTimeDependOn) {
  const RunNumbers run = numbers_of({"train.lanes=7", "train.window=9", "train.discard=2", "mesh.lane_groups=3", "data.prefetch=5",
                                     "penalty.slowness=1", "memory.recompute=gates"});
  EXPECT_EQ(run.lanes, 7);
  EXPECT_EQ(run.steps, 9);
  EXPECT_EQ(run.scored_steps(), 7);
  EXPECT_EQ(run.lane_groups, 3);
  EXPECT_EQ(run.windows_ahead, 5);
  EXPECT_TRUE(run.slowness);
  EXPECT_EQ(run.keep, Keep::states);
  EXPECT_EQ(run.shape.vocabulary, 1000);
}

TEST(RunNumbersFrom, KnowsTheSizesOfNumbersAndWhatOptimizersKeep) {
  EXPECT_EQ(numbers_of({}).element, (ElementBytes{4, 4}));
  EXPECT_EQ(numbers_of({"train.precision=bf16"}).element, (ElementBytes{4, 2}));
  EXPECT_EQ(numbers_of({"train.precision=float64"}).element, (ElementBytes{8, 8}));
  EXPECT_EQ(numbers_of({"optimizer.name=adam"}).optimizer_copies, 2);
  EXPECT_EQ(numbers_of({"optimizer.name=lamb"}).optimizer_copies, 2);
  EXPECT_EQ(numbers_of({"optimizer.name=sgd"}).optimizer_copies, 0);
  EXPECT_EQ(numbers_of({"optimizer.name=sgd", "optimizer.averaging=always"}).optimizer_copies, 1);
}

TEST(MeshWishesFrom, KeepsOnlyWhatWasGiven) {
  const auto wishes = [](std::vector<std::string> words) {
    const LoadedSettings loaded = load_settings({}, words);
    return mesh_wishes_from(loaded.settings, loaded.origins);
  };
  const MeshWishes none = wishes({});
  EXPECT_FALSE(none.data || none.pipeline || none.vocabulary);
  EXPECT_EQ(none.chunks, 0);
  const MeshWishes all = wishes({"mesh.data=2", "mesh.pipeline=1", "mesh.vocabulary=world", "mesh.chunks=5"});
  EXPECT_EQ(all.data, 2);
  EXPECT_EQ(all.pipeline, 1);
  EXPECT_EQ(all.vocabulary->kind, VocabularyLayout::Kind::world);
  EXPECT_EQ(all.chunks, 5);
  EXPECT_FALSE(wishes({"mesh.data=0"}).data);  // as many as fit
}

}  // namespace
}  // namespace trellis
