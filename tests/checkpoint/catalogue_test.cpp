#include "checkpoint/catalogue.h"

#include <gmock/gmock.h>

#include "tests/checkpoint/one_rank.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::ElementsAre;

class Catalogue : public OneRank {
 protected:
  std::vector<std::int64_t> steps() {
    std::vector<std::int64_t> found;
    for (const CatalogueEntry& entry : list_checkpoints(world, root)) found.push_back(entry.step);
    return found;
  }
  std::int64_t newest_step() {
    const auto reader = open_newest_complete(world, root);
    return reader ? reader->step() : -1;
  }
};

TEST_F(Catalogue, ListsByStepAndIgnoresWhatIsNoCheckpoint) {
  for (const char* name : {"step-0000000010", "step-0000000009", "step-12345678901", ".tmp-0000000011-0", "step-11",
                           "step-00000000x1", "step-00000000011", "latest"})
    std::filesystem::create_directory(root / name);
  overwrite(root / "step-0000000012", "a file");
  EXPECT_THAT(steps(), ElementsAre(9, 10, 12345678901));
  EXPECT_TRUE(list_checkpoints(world, root / "none").empty());
}

TEST_F(Catalogue, PassesOverDamagedCheckpointsToTheNewestThatLoads) {
  EXPECT_EQ(newest_step(), -1);
  for (const std::int64_t step : {1, 2, 3, 4}) write_sample(world, root, step);
  EXPECT_EQ(newest_step(), 4);
  std::filesystem::remove(root / "step-0000000004/manifest.json");
  std::filesystem::resize_file(root / "step-0000000003/state.h5", 100);
  testing::internal::CaptureStderr();
  EXPECT_EQ(newest_step(), 2);
  const std::string warnings = testing::internal::GetCapturedStderr();
  EXPECT_THAT(warnings, testing::HasSubstr("step-0000000004"));
  EXPECT_THAT(warnings, testing::HasSubstr("step-0000000003"));
}

TEST_F(Catalogue, RemovesOnlyWhatIsTemporary) {
  write_sample(world, root, 1);
  for (const char* name : {".tmp-0000000002-abc", ".tmp-remove-step-0000000001", ".tmp-old-0000000001-abc"}) {
    std::filesystem::create_directory(root / name);
    overwrite(root / name / "state.h5", "half");
  }
  std::filesystem::create_directory(root / "notes");
  remove_stale(world, root);
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(root)) left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::UnorderedElementsAre("step-0000000001", "notes"));
}

TEST_F(Catalogue, KeepsTheNewestAndTheBest) {
  for (std::int64_t step = 1; step <= 6; ++step) write_sample(world, root, step);
  EXPECT_THAT(prune_checkpoints(world, root, 2, 3), ElementsAre(1, 2, 4));
  EXPECT_THAT(steps(), ElementsAre(3, 5, 6));
  EXPECT_TRUE(prune_checkpoints(world, root, 2, 3).empty());
  EXPECT_THAT(prune_checkpoints(world, root, 1, std::nullopt), ElementsAre(3, 5));
  EXPECT_THAT(prune_checkpoints(world, root, 7, std::nullopt), testing::IsEmpty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root), std::filesystem::directory_iterator()), 1);
}

TEST_F(Catalogue, PrunesWhereAKilledPruningLeftItsFolder) {
  for (const std::int64_t step : {1, 2}) write_sample(world, root, step);
  std::filesystem::create_directory(root / ".tmp-remove-step-0000000001");
  overwrite(root / ".tmp-remove-step-0000000001/state.h5", "half");
  EXPECT_THAT(prune_checkpoints(world, root, 1, std::nullopt), ElementsAre(1));
  EXPECT_THAT(steps(), ElementsAre(2));
}

}  // namespace
}  // namespace trellis
