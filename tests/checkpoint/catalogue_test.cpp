#include "checkpoint/catalogue.h"

#include <gmock/gmock.h>

#include "base/errors.h"
#include "checkpoint/checkpoint_manifest.h"
#include "tests/checkpoint/one_rank.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

void flip_a_bit(const std::filesystem::path& path) {
  std::string bytes = bytes_of_file(path);
  bytes[bytes.size() / 2] ^= 4;
  overwrite(path, bytes);
}

void replace_in(const std::filesystem::path& path, const std::string& from, const std::string& to) {
  std::string text = bytes_of_file(path);
  text.replace(text.find(from), from.size(), to);
  overwrite(path, text);
}

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
  for (const std::int64_t step : {1, 2, 3, 4, 5}) write_sample(world, root, step);
  EXPECT_EQ(newest_step(), 5);
  std::filesystem::remove(root / "step-0000000005/manifest.json");
  std::filesystem::resize_file(root / "step-0000000004/state.h5", 100);
  flip_a_bit(root / "step-0000000003/state.h5");
  testing::internal::CaptureStderr();
  EXPECT_EQ(newest_step(), 2);
  const std::string warnings = testing::internal::GetCapturedStderr();
  for (const char* name : {"step-0000000005", "step-0000000004", "step-0000000003"}) EXPECT_THAT(warnings, HasSubstr(name));
}

TEST_F(Catalogue, FindsNothingOnlyWhereThereIsNothing) {
  EXPECT_EQ(newest_step(), -1);
  std::filesystem::create_directory(root / "notes");
  EXPECT_EQ(newest_step(), -1);
  for (const std::int64_t step : {1, 2}) {
    write_sample(world, root, step);
    flip_a_bit(root / checkpoint::checkpoint_name(step) / "state.h5");
  }
  const auto error = error_of<DataError>([&] { newest_step(); });
  EXPECT_THAT(error.fact(), HasSubstr("step-0000000001: the file is damaged: its hash is"));
  EXPECT_THAT(error.fact(), HasSubstr("step-0000000002: the file is damaged: its hash is"));
  EXPECT_THAT(error.fix(), HasSubstr("or take another --run"));
  EXPECT_THAT(steps(), ElementsAre(1, 2));
}

// As long as a checkpoint may be good, no older one is taken in its place.
TEST_F(Catalogue, TakesNoOlderOneInPlaceOfOneThatMayBeGood) {
  const auto newest = root / "step-0000000002";
  const auto refusal = [&] {
    std::string said;
    try {
      newest_step();
    } catch (const Error& error) {
      said = std::to_string(static_cast<int>(error.code())) + ": " + error.fact();
    }
    std::filesystem::remove_all(newest);
    EXPECT_THAT(said, HasSubstr("step-0000000001: whole, but older"));
    EXPECT_EQ(newest_step(), 1);
    write_sample(world, root, 2);
    return said;
  };
  write_sample(world, root, 1);
  write_sample(world, root, 2);
  EXPECT_EQ(newest_step(), 2);

  replace_in(newest / "manifest.json", "\"format_version\": 1", "\"format_version\": 2");  // its hash may be another one
  EXPECT_THAT(refusal(), HasSubstr("65: "));
  replace_in(newest / "manifest.json", "\"format_version\": 1", "\"format_version\": 2");
  EXPECT_THAT(refusal(), HasSubstr("step-0000000002: the checkpoint has format version 2, this program reads version 1"));

  std::filesystem::remove_all(newest);
  std::filesystem::create_symlink(newest.filename(), newest);  // looking at it fails, for the superuser, too
  EXPECT_THAT(refusal(), AllOf(StartsWith("66: "), HasSubstr("step-0000000002: cannot be looked at")));
  std::filesystem::remove_all(newest);
  std::filesystem::create_symlink("nowhere", newest);  // a disk that is not there just now
  EXPECT_THAT(refusal(), AllOf(StartsWith("66: "), HasSubstr("step-0000000002: there is no such checkpoint folder")));
  std::filesystem::rename(newest / "state.h5", root / "elsewhere.h5");
  std::filesystem::create_symlink("../elsewhere.h5", newest / "state.h5");
  EXPECT_THAT(refusal(), AllOf(StartsWith("65: "), HasSubstr("is a symbolic link")));
  std::filesystem::remove_all(newest);
  std::filesystem::copy(root / "step-0000000001", newest, std::filesystem::copy_options::recursive);
  EXPECT_THAT(refusal(), AllOf(StartsWith("65: "), HasSubstr("its manifest is of step 1")));
}

TEST_F(Catalogue, ThatCannotBeListedIsNotEmpty) {
  std::filesystem::create_symlink("circle", root / "circle");
  EXPECT_THAT(error_of<MissingInputError>([&] { list_checkpoints(world, root / "circle"); }).fact(), StartsWith("cannot be listed"));
  EXPECT_THAT(error_of<MissingInputError>([&] { open_newest_complete(world, root / "circle"); }).fact(), StartsWith("cannot be listed"));
  testing::internal::CaptureStderr();
  EXPECT_TRUE(prune_checkpoints(world, root / "circle", 1, std::nullopt).empty());  // a run goes on all the same
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("old checkpoints are not removed"));
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
