// Runs whose steps are started before the numbers of those before them have come, as on a GPU, are the runs that wait for each step.
#include "train/trainer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "base/errors.h"
#include "comm/mesh_groups.h"
#include "tests/corpus/corpus_fixture.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

using testing::HasSubstr;
using testing_support::file_text;
namespace fs = std::filesystem;

constexpr std::int64_t kVocabulary = 60;

// Four lanes of windows of 10 steps: 8 a pass.
void put_corpus(const fs::path& directory) {
  Manifest manifest = testing_support::put_corpus(directory, testing_support::some_ids(4 * 81, kVocabulary), kVocabulary, 1000);
  const std::vector<std::uint32_t> ids = testing_support::some_ids(150, kVocabulary);
  SplitWriter writer(directory, "valid", static_cast<std::int64_t>(ids.size()), 1000, manifest.vocabulary.hash);
  writer.append(ids);
  manifest.splits["valid"] = {static_cast<std::int64_t>(ids.size()), 0, writer.finish()};
  fs::remove(directory / kManifestFile);
  write_manifest(directory, manifest);
}

const std::vector<std::string> kNetwork = {"model.levels=3",    "model.hidden=12",     "model.outputs=6",  "model.embedding=6", "model.cutoffs=10,30",
                                           "dropout.hidden=0.2", "auxiliary.every=2",   "train.lanes=4",    "train.window=10",   "train.precision=float64",
                                           "valid.lanes=3",      "valid.every=5",       "checkpoint.keep=9", "log.every=1",       "train.device=cpu"};

// What metrics tell but for times, in their order.
std::string told_by(const fs::path& run) {
  static const std::regex varying(R"re(,?"(time|seconds|tokens_per_second|memory_bytes|path|checkpoint)":("[^"]*"|[^,}]*))re");
  return std::regex_replace(file_text(run / "metrics.jsonl"), varying, "");
}

// What a run leaves behind.
std::string left_by(const fs::path& run) {
  std::ostringstream all;
  if (!fs::exists(run / "checkpoints")) return {};
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(run / "checkpoints")) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) all << fs::relative(file, run).string() << '\n' << file_text(file);
  return all.str();
}

class StepsAhead : public testing::Test {
 protected:
  StepsAhead() {
    std::string name = (fs::temp_directory_path() / "trellis-trainer-XXXXXX").string();
    if (world.rank() == 0 && mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no folder for the test";
    root = world.broadcast(world.rank() == 0 ? name : std::string(), 0);
    if (world.rank() == 0) put_corpus(root / "corpus");
    world.barrier();
  }
  ~StepsAhead() override {
    world.barrier();
    if (world.rank() == 0) fs::remove_all(root);
  }

  ExitCode run(const std::string& name, std::size_t ahead, const std::vector<std::string>& words, Resume resume = Resume::none) {
    std::vector<std::string> all = kNetwork;
    all.insert(all.end(), words.begin(), words.end());
    TrainRequest request;
    request.settings = load_settings({}, all);
    request.settings_given = true;
    request.words = all;
    request.data = root / "corpus";
    request.run = root / name;
    request.resume = resume;
    request.steps_ahead = ahead;
    return train(ranks, request);
  }

  const Communicator world = Communicator::world();
  const ProcessGroup group{make_backend(at::Device(at::kCPU), world)};
  const Ranks ranks{world, group};
  fs::path root;
};

// Two passes and half of a third, validations, a rate that falls, and checkpoints in between.
TEST_F(StepsAhead, TellAndLeaveTheSame) {
  const std::vector<std::vector<std::string>> optimizers = {
      {"optimizer.learning_rate=0.3", "schedule.plateau=1", "schedule.factor=0.5", "checkpoint.every=4"},
      {"optimizer.name=lamb", "optimizer.learning_rate=0.05", "schedule.warmup=4", "schedule.milestones=1", "checkpoint.every=0"},
      {"optimizer.name=sgd", "optimizer.learning_rate=30", "optimizer.averaging=plateau", "schedule.plateau=1", "valid.every=2"}};
  for (std::size_t n = 0; n < optimizers.size(); ++n) {
    std::vector<std::string> words = optimizers[n];
    words.push_back("train.steps=20");
    const std::string name = std::to_string(n) + ".";
    for (const std::size_t ahead : {0, 1, 3}) ASSERT_EQ(run(name + std::to_string(ahead), ahead, words), ExitCode::done);
    const std::string told = told_by(root / (name + "0")), left = left_by(root / (name + "0"));
    EXPECT_THAT(told, HasSubstr(R"("event":"validation","step":20)"));
    EXPECT_THAT(left, HasSubstr("step-0000000020/state.h5"));
    for (const char* const ahead : {"1", "3"}) {
      EXPECT_EQ(told_by(root / (name + ahead)), told) << ahead;
      EXPECT_TRUE(left_by(root / (name + ahead)) == left) << ahead;
    }
  }
}

TEST_F(StepsAhead, ResumeWhereTheyStopped) {
  ASSERT_EQ(run("straight", 0, {"train.steps=13"}), ExitCode::done);
  ASSERT_EQ(run("halves", 1, {"train.steps=6"}), ExitCode::done);
  ASSERT_EQ(run("halves", 3, {"train.steps=13"}, Resume::newest), ExitCode::done);
  EXPECT_TRUE(file_text(root / "halves/checkpoints/step-0000000013/state.h5") == file_text(root / "straight/checkpoints/step-0000000013/state.h5"));
}

// The step that failed is the one that is named, and nothing of it or of a later one is kept.
TEST_F(StepsAhead, EndAtTheStepThatFailed) {
  const std::vector<std::string> words = {"optimizer.name=sgd", "optimizer.learning_rate=1e308", "optimizer.clip=0", "train.steps=20",
                                          "valid.every=100"};
  std::string expected, told, left;
  for (const std::size_t ahead : {0, 1, 3}) {
    const std::string name = "failed." + std::to_string(ahead);
    std::string error;
    try {
      run(name, ahead, words);
    } catch (const NumericError& failure) {
      error = failure.what();
    }
    EXPECT_THAT(error, HasSubstr("is not finite"));
    if (ahead == 0) {
      expected = error, told = told_by(root / name), left = left_by(root / name);
      EXPECT_THAT(told, HasSubstr(R"("event":"step")"));
    }
    EXPECT_EQ(error, expected) << ahead;
    EXPECT_EQ(told_by(root / name), told) << ahead;
    EXPECT_TRUE(left_by(root / name) == left) << ahead;
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
