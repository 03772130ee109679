// Runs whose steps are started before the numbers of those before them have come, as on a GPU, are the runs that wait for each step.
#include "trainer/trainer.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "base/errors.h"
#include "comm/cuda_module.h"
#include "comm/mesh_groups.h"
#include "tests/corpus/sequence_fixture.h"
#include "tests/mpi/mpi_test_main.h"
#include "train/compute_device.h"

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing_support::file_text;
namespace fs = std::filesystem;

constexpr std::uint32_t kVocabulary = 60;
constexpr std::size_t kTokens = 4 * 81;  // of four lanes, in windows of 10 steps: 8 a pass

std::vector<std::uint32_t> text_of(std::size_t tokens) { return testing_support::some_ids(tokens, kVocabulary); }

void put_text(const fs::path& directory) {
  Manifest manifest = testing_support::put_corpus(directory, text_of(kTokens), kVocabulary, 1000);
  const std::vector<std::uint32_t> ids = text_of(150);
  SplitWriter writer(directory, "valid", static_cast<std::int64_t>(ids.size()), 1000, manifest.vocabulary.hash);
  writer.append(ids);
  manifest.splits["valid"] = {static_cast<std::int64_t>(ids.size()), 0, writer.finish()};
  fs::remove(directory / kManifestFile);
  write_manifest(directory, manifest);
}

const std::vector<std::string> kCommon = {"train.lanes=4", "train.precision=float64", "valid.lanes=3", "valid.every=4", "checkpoint.keep=9", "log.every=1"};
const std::vector<std::string> kLanguageModel = {"model.levels=3",   "model.hidden=12",       "model.outputs=6",      "model.embedding=6",
                                                 "model.cutoffs=10,30", "dropout.hidden=0.2", "dropout.input=0.2", "dropout.embedding=0.1",
                                                 "dropout.weight=0.1", "auxiliary.every=2",   "train.window=10"};
const std::vector<std::string> kClassifier = {"model.task=classifier", "model.levels=3",     "model.hidden=12",    "model.outputs=3",
                                              "model.embedding=1",     "model.dilations=1,2,4", "dropout.hidden=0.2", "train.window=12"};

// What metrics tell but for times, in their order.
std::string told_by(const fs::path& run) {
  static const std::regex varying(R"re(,?"(time|seconds|tokens_per_second|sequences_per_second|memory_bytes|path|checkpoint)":("[^"]*"|[^,}]*))re");
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
    if (world.rank() == 0) {
      put_text(root / "text");
      const SequenceDescription images = testing_support::described(12, 1, 3);
      testing_support::put_sequences(root / "images", testing_support::some_sequences(33, images), images, 100);
    }
    world.barrier();
  }
  ~StepsAhead() override {
    world.barrier();
    if (world.rank() == 0) fs::remove_all(root);
  }

  // On a CPU, and where ranks do not have to share it on a GPU.
  std::vector<std::string> devices() const {
    std::vector<std::string> all = {"cpu"};
    if (world.size() == 1 && has_cuda_module() && gpu_is_visible()) all.push_back("cuda");
    return all;
  }

  ExitCode run(const std::string& name, std::size_t ahead, const std::vector<std::string>& words, Resume resume = Resume::none) {
    std::vector<std::string> all = kCommon;
    for (const auto& some : {corpus == "text" ? kLanguageModel : kClassifier, words}) all.insert(all.end(), some.begin(), some.end());
    all.push_back("train.device=" + device);
    TrainRequest request;
    request.settings = load_settings({}, all);
    request.settings_given = true;
    request.words = all;
    request.data = root / corpus;
    request.run = root / name;
    request.resume = resume;
    request.steps_ahead = ahead;
    return train(ranks, request);
  }

  // The same with 1 and with 3 steps ahead (several ranks: with 2) as with none: what they throw, tell and leave.
  template <class Run>
  void expect_the_same(const std::string& name, const Run& run_with) {
    std::string thrown, told, left;
    for (const std::size_t ahead : world.size() == 1 ? std::vector<std::size_t>{0, 1, 3} : std::vector<std::size_t>{0, 2}) {
      const std::string run = device + "." + name + "." + std::to_string(ahead);
      SCOPED_TRACE(run);
      const std::string error = testing_support::error_of([&] { run_with(run, ahead); });
      world.barrier();  // rank 0 has written
      if (ahead == 0) thrown = error, told = told_by(root / run), left = left_by(root / run);
      EXPECT_EQ(error, thrown);
      EXPECT_EQ(told_by(root / run), told);
      EXPECT_TRUE(left_by(root / run) == left);
    }
    last_thrown = thrown, last_told = told, last_left = left;
  }

  const Communicator world = Communicator::world();
  const ProcessGroup group{make_backend(at::Device(at::kCPU), world)};
  const Ranks ranks{world, group};
  fs::path root;
  std::string corpus = "text", device = "cpu";
  std::string last_thrown, last_told, last_left;  // of the run that waits for each step
};

// A pass and half of another, validations, a rate that falls, and checkpoints in between.
TEST_F(StepsAhead, TellAndLeaveTheSame) {
  const std::vector<std::vector<std::string>> optimizers = {
      {"optimizer.learning_rate=0.3", "schedule.plateau=1", "schedule.factor=0.5", "checkpoint.every=3"},
      {"optimizer.name=lamb", "optimizer.learning_rate=0.05", "schedule.warmup=4", "schedule.milestones=1", "train.accumulate=3"},
      {"optimizer.name=sgd", "optimizer.learning_rate=30", "optimizer.averaging=plateau", "schedule.plateau=1", "valid.every=2"}};
  for (const std::string& where : devices()) {
    device = where;
    for (std::size_t n = 0; n < optimizers.size(); ++n) {
      std::vector<std::string> words = optimizers[n];
      words.push_back("train.steps=12");
      expect_the_same(std::to_string(n), [&](const std::string& name, std::size_t ahead) { EXPECT_EQ(run(name, ahead, words), ExitCode::done); });
      EXPECT_EQ(last_thrown, "no error");
      EXPECT_THAT(last_told, HasSubstr(R"("event":"validation","step":12)"));
      EXPECT_THAT(last_left, HasSubstr("step-0000000012/state.h5"));
    }
  }
}

TEST_F(StepsAhead, ClassifyTheSame) {
  corpus = "images";
  for (const std::string& where : devices()) {
    device = where;
    expect_the_same("images", [&](const std::string& name, std::size_t ahead) {
      EXPECT_EQ(run(name, ahead, {"train.steps=12", "checkpoint.every=5"}), ExitCode::done);
    });
    EXPECT_THAT(last_left, HasSubstr("step-0000000012/state.h5"));
  }
}

TEST_F(StepsAhead, ResumeWhereTheyStopped) {
  expect_the_same("halves", [&](const std::string& name, std::size_t ahead) {
    ASSERT_EQ(run(name, ahead, {"train.steps=6"}), ExitCode::done);
    ASSERT_EQ(run(name, ahead, {"train.steps=13"}, Resume::newest), ExitCode::done);
  });
  ASSERT_EQ(run("straight", 0, {"train.steps=13"}), ExitCode::done);
  const std::string last = "checkpoints/step-0000000013/state.h5";
  EXPECT_TRUE(file_text(root / "cpu.halves.0" / last) == file_text(root / "straight" / last));
}

// Nothing of the step that failed is kept, nor of a later one.
TEST_F(StepsAhead, EndAtTheStepThatFailed) {
  for (const std::string& where : devices()) {
    device = where;
    expect_the_same("failed", [&](const std::string& name, std::size_t ahead) {
      const std::vector<std::string> words = {"optimizer.name=sgd", "optimizer.clip=0", "valid.every=100"};
      const auto with = [&](std::vector<std::string> more) {
        more.insert(more.end(), words.begin(), words.end());
        return more;
      };
      ASSERT_EQ(run(name, ahead, with({"train.steps=3"})), ExitCode::done);
      run(name, ahead, with({"train.steps=20", "optimizer.learning_rate=1e308"}), Resume::newest);
    });
    EXPECT_THAT(last_thrown, AllOf(HasSubstr("16: "), HasSubstr("is not finite")));
    EXPECT_THAT(last_told, AllOf(HasSubstr(R"("event":"step","step":4)"), Not(HasSubstr(R"("step":20)"))));
    EXPECT_THAT(last_left, AllOf(HasSubstr("step-0000000003/state.h5"), Not(HasSubstr("step-0000000004"))));
  }
}

// A step that cannot even be started does not hide those before it.
TEST_F(StepsAhead, TellOfTheStepsBeforeOneThatCannotBeStarted) {
  if (world.size() > 1) GTEST_SKIP() << "a rank whose input is damaged ends the whole job, this test with it";
  constexpr std::size_t kWindow = 20'000;  // more than is read at once
  std::vector<std::uint32_t> ids = text_of(4 * kWindow + 1);
  ids[2 * kWindow + 100] = kVocabulary + 3;  // no word, in the third window
  fs::remove_all(root / "text");
  testing_support::put_corpus(root / "text", ids, kVocabulary, 1'000'000);
  for (const std::string& where : devices()) {
    device = where;
    expect_the_same("damaged", [&](const std::string& name, std::size_t ahead) { run(name, ahead, {"train.steps=4", "train.lanes=1", "train.window=20000"}); });
    EXPECT_THAT(last_thrown, AllOf(HasSubstr("65: "), HasSubstr("/tokens[40100]: id 63")));
    EXPECT_THAT(last_told, AllOf(HasSubstr(R"("event":"step","step":2)"), Not(HasSubstr(R"("step":3)"))));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
