// What a training run puts into a checkpoint, written by all ranks together: each gives its share of the bytes, and any
// number of ranks reads it back, lanes and all.
#include "train/checkpointing.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/errors.h"
#include "mpi/agreement.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::int64_t kLanes = 7, kSteps = 5;

TrellisShape shape() {
  TrellisShape shape;
  shape.levels = 3;
  shape.hidden = 40;
  shape.outputs = shape.embedding = 24;
  shape.vocabulary = 700;
  shape.cutoffs = {50, 300};
  return shape;
}

TrainingStep training(const Ranks& ranks, OptimizerRule::Kind kind, const TrellisShape& network, at::ScalarType type = at::kDouble,
                      std::int64_t lanes = kLanes) {
  return TrainingStep(ranks, network, 0, {}, {.kind = kind}, lanes, kSteps, 1, Keep::states, type);
}

// Every element its own number, the same on every rank; padding stays zero.
void number(Parameters& parameters, double first) {
  for (const ParameterInfo& info : parameters.layout().parameters()) {
    at::Tensor view = parameters.view(info.name);
    view.copy_(at::arange(info.count, at::kDouble).view(info.shape) + first + static_cast<double>(info.offset) / 1024);
  }
}

// Lane l holds l + channel / 1000, plus `first`.
at::Tensor numbered_lanes(const Range& lanes, std::int64_t channels, double first) {
  return at::arange(lanes.begin, lanes.end, at::kDouble).unsqueeze(1) + at::arange(channels, at::kDouble).unsqueeze(0) / 1000 + first;
}

void number(TrainingStep& step) {
  number(step.weights(), 0.25);
  if (step.optimizer().mean()) number(*step.optimizer().mean(), 1e5);
  if (step.optimizer().variance()) number(*step.optimizer().variance(), 2e5);
  step.history().hidden.copy_(numbered_lanes(step.lanes(), shape().hidden, 100));
  step.history().cell.copy_(numbered_lanes(step.lanes(), shape().hidden, 200));
}

CheckpointState state() {
  CheckpointState state;
  state.run = {.step = 12, .epoch = 1, .window = 4, .tokens = 12345, .plateau = {.recent = {6.5, 6.25}, .best_before = 5.5, .falls = 1},
               .best = BestValidation{5.25, 10}, .validations_without_best = 2};
  state.settings.train.window = 17;
  state.settings.model.cutoffs = {50, 300};
  state.settings.optimizer.learning_rate = 0.1;
  state.vocabulary = 700;
  state.vocabulary_hash = "0123456789abcdef0123456789abcdef";
  return state;
}

class Checkpointing : public testing::TestWithParam<OptimizerRule::Kind> {
 protected:
  Checkpointing() {
    std::string name = (fs::temp_directory_path() / "trellis-checkpointing-XXXXXX").string();
    if (world.rank() == 0 && mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no folder for the test";
    root = world.broadcast(world.rank() == 0 ? name : std::string(), 0);
  }
  ~Checkpointing() override {
    world.barrier();
    if (world.rank() == 0) fs::remove_all(root);
  }

  const Communicator world = Communicator::world();
  const ProcessGroup group{make_backend(at::Device(at::kCPU), world)};
  const Ranks ranks{world, group};
  fs::path root;
};

TEST_P(Checkpointing, EachRankWritesItsShareOfTheBytes) {
  TrainingStep step = training(ranks, GetParam(), shape());
  number(step);
  const WriteReport report = save_checkpoint(ranks, root, step, state());
  EXPECT_EQ(report.path, root / "step-0000000012");
  const std::int64_t copies = GetParam() == OptimizerRule::Kind::adam ? 3 : 1;
  const std::int64_t expected = (step.weights().layout().count() * copies + 2 * kLanes * shape().hidden) * 8;
  EXPECT_EQ(report.bytes_total, expected) << "every tensor once, whatever the number of ranks";
  const double share = static_cast<double>(expected) / world.size();
  EXPECT_NEAR(static_cast<double>(report.bytes_this_rank), share, 0.1 * share);
}

TEST_P(Checkpointing, TheSameRanksReadBackEveryTensor) {
  TrainingStep written = training(ranks, GetParam(), shape()), read = training(ranks, GetParam(), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written, state());
  const CheckpointReader reader = CheckpointReader::open(world, report.path, Verify::hash);
  load_training(reader, kLanes, read);
  EXPECT_TRUE(at::equal(read.weights().flat(), written.weights().flat()));
  EXPECT_TRUE(at::equal(read.history().hidden, written.history().hidden));
  EXPECT_TRUE(at::equal(read.history().cell, written.history().cell));
  if (GetParam() == OptimizerRule::Kind::adam) {
    EXPECT_TRUE(at::equal(read.optimizer().mean()->flat(), written.optimizer().mean()->flat()));
    EXPECT_TRUE(at::equal(read.optimizer().variance()->flat(), written.optimizer().variance()->flat()));
  }
}

TEST_P(Checkpointing, OtherNumbersOfRanksReadBackTheirLanes) {
  TrainingStep written = training(ranks, GetParam(), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written, state());
  // groups of one and of up to two ranks, all at once
  for (const int width : {1, 2}) {
    const Communicator part = world.split(world.rank() / width, 0);
    const ProcessGroup part_group(make_backend(at::Device(at::kCPU), part));
    const Ranks few{part, part_group};
    TrainingStep expected = training(few, GetParam(), shape()), read = training(few, GetParam(), shape());
    number(expected);
    load_training(CheckpointReader::open(part, report.path, Verify::hash), kLanes, read);
    EXPECT_EQ(read.lanes(), shard_range(kLanes, part.size(), part.rank()));
    EXPECT_TRUE(at::equal(read.history().hidden, expected.history().hidden)) << width;
    EXPECT_TRUE(at::equal(read.history().cell, expected.history().cell)) << width;
    EXPECT_TRUE(at::equal(read.weights().flat(), expected.weights().flat())) << width;
  }
}

TEST_P(Checkpointing, TheStateReadsBackAsItWas) {
  TrainingStep step = training(ranks, GetParam(), shape());
  const WriteReport report = save_checkpoint(ranks, root, step, state());
  const CheckpointState read = read_state(CheckpointReader::open(world, report.path, Verify::hash));
  EXPECT_EQ(read.run, state().run);
  EXPECT_EQ(read.settings.train.window, 17);
  EXPECT_EQ(read.settings.model.cutoffs, (std::vector<std::int64_t>{50, 300}));
  EXPECT_EQ(read.settings.optimizer.learning_rate, 0.1);
  EXPECT_EQ(read.vocabulary, 700);
  EXPECT_EQ(read.vocabulary_hash, state().vocabulary_hash);
}

// The message that loading `reader` into `step` ends with.
std::string refusal(const CheckpointReader& reader, std::int64_t lanes, TrainingStep& step) {
  try {
    load_training(reader, lanes, step);
  } catch (const DataError& error) {
    return error.fact();
  }
  return "no error";
}

TEST_P(Checkpointing, AnotherNetworkOrNumberOfLanesIsRefused) {
  TrainingStep step = training(ranks, GetParam(), shape());
  const WriteReport report = save_checkpoint(ranks, root, step, state());
  const CheckpointReader reader = CheckpointReader::open(world, report.path, Verify::hash);
  TrellisShape wider = shape();
  wider.hidden = 48;
  TrainingStep other = training(ranks, GetParam(), wider);
  EXPECT_THAT(refusal(reader, kLanes, other), HasSubstr("expected float64 [192"));
  TrainingStep single = training(ranks, GetParam(), shape(), at::kFloat);
  EXPECT_THAT(refusal(reader, kLanes, single), HasSubstr("expected float32 ["));
  TrainingStep more = training(ranks, GetParam(), shape(), at::kDouble, kLanes + 1);
  EXPECT_EQ(refusal(reader, kLanes + 1, more), "tensor history.hidden: expected float64 [8, 40], the checkpoint has float64 [7, 40]");
  const auto other_kind = GetParam() == OptimizerRule::Kind::sgd ? OptimizerRule::Kind::adam : OptimizerRule::Kind::sgd;
  TrainingStep otherwise = training(ranks, other_kind, shape());
  EXPECT_EQ(refusal(reader, kLanes, otherwise), other_kind == OptimizerRule::Kind::adam
                                                    ? "the checkpoint holds no tensor \"optimizer.mean.embedding\""
                                                    : "no error");  // settings tell the optimizer; weights may be had without it
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Checkpointing, testing::Values(OptimizerRule::Kind::adam, OptimizerRule::Kind::sgd));

// A folder that cannot be made ends every rank alike.
TEST_P(Checkpointing, AFailedWriteIsTheSameErrorOnEveryRank) {
  TrainingStep step = training(ranks, GetParam(), shape());
  if (world.rank() == 0) std::ofstream(root / "file") << "in the way";
  world.barrier();
  try {
    save_checkpoint(ranks, root / "file" / "checkpoints", step, state());
    ADD_FAILURE() << "no error";
  } catch (const WriteError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("Not a directory"));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
