// What a training run puts into a checkpoint, written by all ranks together: each gives its share of the bytes, and any
// number of ranks on any mesh reads it back, stripes of the vocabulary, lanes and all.
#include "trainer/checkpointing.h"

#include <fmt/core.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>

#include "base/errors.h"
#include "mpi/agreement.h"
#include "tests/mpi/mpi_test_main.h"
#include "train/dataset.h"

namespace trellis {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

constexpr std::int64_t kLanes = 7, kAveraged = 3;

enum class Method { adam, lamb, sgd, averaged_sgd };

OptimizerRule::Kind kind_of(Method method) {
  if (method == Method::lamb) return OptimizerRule::Kind::lamb;
  return method == Method::adam ? OptimizerRule::Kind::adam : OptimizerRule::Kind::sgd;
}
bool keeps_means(Method method) { return method == Method::adam || method == Method::lamb; }
// The same without averages.
Method plain(Method method) { return keeps_means(method) ? method : Method::sgd; }

TrellisShape shape() {
  TrellisShape shape;
  shape.levels = 3;
  shape.hidden = 40;
  shape.outputs = shape.embedding = 24;
  shape.vocabulary = 700;
  shape.cutoffs = {50, 300};
  return shape;
}

// Every kind of mesh that so many ranks make: groups that are replicas, larger, smaller, and across replicas.
std::vector<Mesh> meshes_of(int ranks) {
  std::vector<Mesh> meshes;
  for (int pipeline = 1; pipeline <= ranks; ++pipeline) {
    for (int vocabulary = 1; vocabulary <= ranks; ++vocabulary) {
      if (ranks % pipeline == 0 && ranks % vocabulary == 0) meshes.push_back({ranks / pipeline, pipeline, vocabulary});
    }
  }
  return meshes;
}

// Replicas only.
Mesh data_parallel(const Ranks& ranks) { return {.data = ranks.size()}; }

// A task that trains nothing and carries the lanes of a history.
class CarriedLanes : public Task {
 public:
  CarriedLanes(const Mesh& mesh, int rank, const TrellisShape& network, at::ScalarType type, std::int64_t lanes)
      : layout_(network, VocabularyStripes(network.vocabulary, network.cutoffs, mesh.vocabulary), mesh.place_of(rank)), all_(lanes),
        own_(mesh.lanes_of_replica(lanes, mesh.replica_of(rank))),
        hidden(at::zeros({own_.size(), network.hidden}, type)), cell(at::zeros({own_.size(), network.hidden}, type)) {}

  std::int64_t windows() const override { return 1; }
  void begin_pass(std::int64_t, std::int64_t) override {}
  ParameterLayout layout() const override { return layout_; }
  StepSums forward_backward(const Parameters&, std::int64_t, Parameters&) override { return {}; }
  std::int64_t all_lanes() const override { return all_; }
  Range lanes() const override { return own_; }
  std::vector<LaneState> lane_states() override { return {{"history.hidden", hidden}, {"history.cell", cell}}; }
  std::string description() const override { return ""; }

 private:
  ParameterLayout layout_;
  std::int64_t all_;
  Range own_;

 public:
  at::Tensor hidden, cell;
};

// A training step and its task.
struct Training {
  Training(const Ranks& ranks, Method method, const TrellisShape& network, at::ScalarType type = at::kDouble, std::int64_t lanes = kLanes)
      : Training(ranks, data_parallel(ranks), method, network, type, lanes) {}
  Training(const Ranks& ranks, const Mesh& mesh, Method method, const TrellisShape& network, at::ScalarType type = at::kDouble,
           std::int64_t lanes = kLanes)
      : groups(make_mesh_groups(mesh, ranks.group, split_communicator(ranks.world, at::kCPU))),
        task(mesh, ranks.rank(), network, type, lanes),
        step(groups, task, {.kind = kind_of(method)}, type) {
    if (method == Method::averaged_sgd) step.optimizer().begin_averaging(kAveraged);
  }
  MeshGroups groups;
  CarriedLanes task;
  TrainingStep step;
};

// Every element of a whole tensor its own number, whatever this rank holds of it; padding stays zero.
void number(Parameters& parameters, double first) {
  for (const ParameterInfo& info : parameters.layout().parameters()) {
    const at::Tensor numbers = at::arange(at::empty(info.whole(), at::kMeta).numel(), at::kDouble).view(info.whole());
    for (const RowPiece& piece : parameters.layout().pieces(info)) {
      at::Tensor rows = parameters.view(info.name).narrow(0, piece.memory.begin, piece.memory.size());
      rows.copy_(numbers.narrow(0, piece.whole.begin, piece.whole.size()) + first);
    }
    first += 1.0 / 1024;
  }
}

// Lane l holds l + channel / 1000, plus `first`.
at::Tensor numbered_lanes(const Range& lanes, std::int64_t channels, double first) {
  return at::arange(lanes.begin, lanes.end, at::kDouble).unsqueeze(1) + at::arange(channels, at::kDouble).unsqueeze(0) / 1000 + first;
}

void number(Training& training) {
  Optimizer& optimizer = training.step.optimizer();
  number(training.step.weights(), 0.25);
  if (optimizer.mean()) number(*optimizer.mean(), 1e5);
  if (optimizer.variance()) number(*optimizer.variance(), 2e5);
  if (optimizer.average()) number(*optimizer.average(), 3e5);
  training.task.hidden.copy_(numbered_lanes(training.task.lanes(), shape().hidden, 100));
  training.task.cell.copy_(numbered_lanes(training.task.lanes(), shape().hidden, 200));
}

CheckpointState state(Method method = Method::adam) {
  CheckpointState state;
  state.run = {.step = 12, .epoch = 1, .window = 4, .scored = 12345, .plateau = {.recent = {6.5, 6.25}, .best_before = 5.5, .falls = 1},
               .best = BestValidation{5.25, 10}, .validations_without_best = 2};
  if (method == Method::averaged_sgd) state.run.averaged_updates = kAveraged;
  state.settings.train.window = 17;
  state.settings.model.cutoffs = {50, 300};
  state.settings.optimizer.learning_rate = 0.1;
  state.data = {{"kind", "text"}, {"words", 700}, {"hash", "0123456789abcdef0123456789abcdef"}};
  return state;
}

class Checkpointing : public testing::TestWithParam<Method> {
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
  for (const Mesh& mesh : meshes_of(world.size())) {
    SCOPED_TRACE(describe(mesh));
    Training training(ranks, mesh, GetParam(), shape());
    number(training);
    const WriteReport report = save_checkpoint(ranks, root, training.step, state(GetParam()));
    EXPECT_EQ(report.path, root / "step-0000000012");
    const std::int64_t copies = keeps_means(GetParam()) ? 3 : GetParam() == Method::averaged_sgd ? 2 : 1;
    const std::int64_t expected = (training.step.weights().layout().count() * copies + 2 * kLanes * shape().hidden) * 8;
    EXPECT_EQ(report.bytes_total, expected) << "every tensor once, whatever the number of ranks";
    const double share = static_cast<double>(expected) / world.size();
    EXPECT_NEAR(static_cast<double>(report.bytes_this_rank), share, 0.1 * share);
  }
}

void expect_equal(Training& read, Training& written) {
  EXPECT_TRUE(at::equal(read.step.weights().flat(), written.step.weights().flat()));
  EXPECT_TRUE(at::equal(read.task.hidden, written.task.hidden));
  EXPECT_TRUE(at::equal(read.task.cell, written.task.cell));
  Optimizer &one = read.step.optimizer(), &other = written.step.optimizer();
  if (one.mean()) { EXPECT_TRUE(at::equal(one.mean()->flat(), other.mean()->flat())); }
  if (one.variance()) { EXPECT_TRUE(at::equal(one.variance()->flat(), other.variance()->flat())); }
  EXPECT_EQ(one.averaged_updates(), other.averaged_updates());
  if (other.average()) { EXPECT_TRUE(at::equal(one.average()->flat(), other.average()->flat())); }
}

TEST_P(Checkpointing, TheSameRanksReadBackEveryTensor) {
  Training written(ranks, GetParam(), shape());
  // averages begin where the checkpoint says so, not where the settings do
  Training read(ranks, plain(GetParam()), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written.step, state(GetParam()));
  load_training(CheckpointReader::open(world, report.path, Verify::hash), state(GetParam()), read.step);
  expect_equal(read, written);
}

TEST_P(Checkpointing, OtherNumbersOfRanksReadBackTheirLanes) {
  Training written(ranks, GetParam(), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written.step, state(GetParam()));
  // groups of one and of up to two ranks, all at once
  for (const int width : {1, 2}) {
    const Communicator part = world.split(world.rank() / width, 0);
    const ProcessGroup part_group(make_backend(at::Device(at::kCPU), part));
    const Ranks few{part, part_group};
    Training expected(few, GetParam(), shape()), read(few, plain(GetParam()), shape());
    number(expected);
    load_training(CheckpointReader::open(part, report.path, Verify::hash), state(GetParam()), read.step);
    EXPECT_EQ(read.task.lanes(), shard_range(kLanes, part.size(), part.rank()));
    expect_equal(read, expected);
  }
}

std::string bytes_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_P(Checkpointing, NoMeshChangesAByte) {
  Training whole(ranks, GetParam(), shape());
  number(whole);
  const fs::path expected = save_checkpoint(ranks, root / "replicas", whole.step, state(GetParam())).path;
  for (const Mesh& mesh : meshes_of(world.size())) {
    SCOPED_TRACE(describe(mesh));
    Training training(ranks, mesh, GetParam(), shape());
    number(training);
    const fs::path path = save_checkpoint(ranks, root / "mesh", training.step, state(GetParam())).path;
    EXPECT_FALSE(bytes_of_file(path / "state.h5").empty());
    EXPECT_EQ(bytes_of_file(path / "state.h5"), bytes_of_file(expected / "state.h5"));
    EXPECT_EQ(bytes_of_file(path / "manifest.json"), bytes_of_file(expected / "manifest.json"));
  }
}

TEST_P(Checkpointing, OtherMeshesReadBackTheirStripesAndLanes) {
  const Mesh mesh{.data = 1, .pipeline = world.size(), .vocabulary = world.size()};
  Training written(ranks, mesh, GetParam(), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written.step, state(GetParam()));
  for (int width = 1; width <= world.size(); ++width) {  // groups of so many ranks, the last one perhaps of fewer
    const Communicator part = world.split(world.rank() / width, 0);
    const ProcessGroup part_group(make_backend(at::Device(at::kCPU), part));
    const Ranks few{part, part_group};
    for (const Mesh& other : meshes_of(part.size())) {
      SCOPED_TRACE(describe(other));
      Training expected(few, other, GetParam(), shape()), read(few, other, plain(GetParam()), shape());
      number(expected);
      load_training(CheckpointReader::open(part, report.path, Verify::hash), state(GetParam()), read.step);
      EXPECT_EQ(read.task.lanes(), other.lanes_of_replica(kLanes, other.replica_of(part.rank())));
      expect_equal(read, expected);

      Parameters weights(read.task.layout(), at::kFloat);
      load_weights(CheckpointReader::open(part, report.path, Verify::hash), weights);
      EXPECT_TRUE(at::equal(weights.flat(), expected.step.evaluated_weights().flat().to(at::kFloat)));
    }
  }
}

TEST_P(Checkpointing, StripesOfAnotherVocabularyAreRefused) {
  const Mesh mesh{.data = world.size(), .pipeline = 1, .vocabulary = world.size()};
  Training training(ranks, mesh, GetParam(), shape());
  const WriteReport report = save_checkpoint(ranks, root, training.step, state(GetParam()));
  TrellisShape larger = shape();
  larger.vocabulary = 701;
  Training other(ranks, mesh, GetParam(), larger);
  try {
    load_training(CheckpointReader::open(world, report.path, Verify::hash), state(GetParam()), other.step);
    ADD_FAILURE() << "no error";
  } catch (const DataError& error) {
    EXPECT_EQ(error.fact(), "tensor weights.embedding: expected float64 [701, 24], the checkpoint has float64 [700, 24]");
  }
}

// Whoever only wants weights gets the averages of a run that averages.
TEST_P(Checkpointing, WeightsAreTheAveragesWhereThereAreAny) {
  Training written(ranks, GetParam(), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written.step, state(GetParam()));
  Parameters weights(ParameterLayout(shape()), at::kDouble);
  load_weights(CheckpointReader::open(world, report.path, Verify::hash), weights);
  EXPECT_TRUE(at::equal(weights.flat(), written.step.evaluated_weights().flat()));
  EXPECT_EQ(at::equal(weights.flat(), written.step.weights().flat()), GetParam() != Method::averaged_sgd);
}

TEST_P(Checkpointing, TheStateReadsBackAsItWas) {
  Training training(ranks, GetParam(), shape());
  const WriteReport report = save_checkpoint(ranks, root, training.step, state(GetParam()));
  const CheckpointState read = read_state(CheckpointReader::open(world, report.path, Verify::hash));
  EXPECT_EQ(read.run, state(GetParam()).run);
  EXPECT_EQ(read.settings.train.window, 17);
  EXPECT_EQ(read.settings.model.cutoffs, (std::vector<std::int64_t>{50, 300}));
  EXPECT_EQ(read.settings.optimizer.learning_rate, 0.1);
  EXPECT_EQ(read.data, state().data);
}

// The step is there twice: as the checkpoint's, by which resuming finds it, and as the run's, from which masks are drawn.
TEST_P(Checkpointing, ARunOfAnotherStepThanTheCheckpointsIsRefused) {
  Training training(ranks, GetParam(), shape());
  const WriteReport report = save_checkpoint(ranks, root, training.step, state(GetParam()));
  const CheckpointReader good = CheckpointReader::open(world, report.path, Verify::hash);
  const double number = 1;
  TensorSlice slice{"x", ElementType::float64, {1}, {}};
  if (world.rank() == 0) slice.pieces.push_back({{0, 1}, &number});
  const WriteReport other = write_checkpoint(world, root, good.step() + 1, std::span(&slice, 1), good.state());
  const CheckpointReader reader = CheckpointReader::open(world, other.path, Verify::hash);
  try {
    read_state(reader);
    ADD_FAILURE() << "no error";
  } catch (const DataError& error) {
    EXPECT_EQ(error.fact(), fmt::format("the run's step is {}, but the checkpoint's is {}", good.step(), good.step() + 1));
  }
}

// What programs before this one wrote: they did not tell what the splits held.
TEST_P(Checkpointing, StatesOfOlderVersionsAreRead) {
  Training training(ranks, GetParam(), shape());
  const nlohmann::json now = CheckpointReader::open(world, save_checkpoint(ranks, root, training.step, state(GetParam())).path, Verify::hash).state();
  nlohmann::json third = now, second = now, first = now;
  third["version"] = 3;
  second["version"] = 2;
  second["run"].erase("chunks");
  first["version"] = 1;
  first["run"]["tokens"] = first["run"]["scored"];
  first["run"]["best"] = {{"loss_nats_per_token", 5.25}, {"step", 10}};
  first["vocabulary"] = {{"words", 700}, {"hash", "0123456789abcdef0123456789abcdef"}};
  first.erase("data");
  const double number = 1;
  const std::vector<TensorSlice> tensors{{"one", ElementType::float64, {1}, world.rank() == 0 ? std::vector<TensorRows>{{{0, 1}, &number}} : std::vector<TensorRows>{}}};
  for (const nlohmann::json& older : {third, second, first}) {
    const WriteReport report = write_checkpoint(world, root, state().run.step, tensors, older);
    const CheckpointState read = read_state(CheckpointReader::open(world, report.path, Verify::hash));
    EXPECT_EQ(read.run.best, state().run.best);
    EXPECT_EQ(read.data, state().data);
    EXPECT_FALSE(tells_splits(read.data));
  }
  nlohmann::json malformed = now, newer = now;
  malformed["data"]["splits"] = {{"train", 7}};
  newer["version"] = 5;
  for (const nlohmann::json& bad : {malformed, newer}) {
    const WriteReport report = write_checkpoint(world, root, state().run.step, tensors, bad);
    EXPECT_THROW(read_state(CheckpointReader::open(world, report.path, Verify::hash)), DataError);
  }
}

TEST_P(Checkpointing, WeightsAreConvertedToAnotherPrecision) {
  Training written(ranks, GetParam(), shape());
  number(written);
  const WriteReport report = save_checkpoint(ranks, root, written.step, state(GetParam()));
  Parameters weights(ParameterLayout(shape()), at::kFloat);
  load_weights(CheckpointReader::open(world, report.path, Verify::hash), weights);
  EXPECT_TRUE(at::equal(weights.flat(), written.step.evaluated_weights().flat().to(at::kFloat)));
}

// The message that loading `reader` into `training` ends with.
std::string refusal(const CheckpointReader& reader, Training&& training) {
  try {
    load_training(reader, state(), training.step);
  } catch (const DataError& error) {
    return error.fact();
  }
  return "no error";
}

TEST_P(Checkpointing, AnotherNetworkOrNumberOfLanesIsRefused) {
  const Method method = GetParam();
  Training training(ranks, method, shape());
  const WriteReport report = save_checkpoint(ranks, root, training.step, state(method));
  const CheckpointReader reader = CheckpointReader::open(world, report.path, Verify::hash);
  TrellisShape wider = shape();
  wider.hidden = 48;
  EXPECT_THAT(refusal(reader, Training(ranks, method, wider)), HasSubstr("expected float64 [192"));
  EXPECT_THAT(refusal(reader, Training(ranks, method, shape(), at::kFloat)), HasSubstr("expected float32 ["));
  EXPECT_EQ(refusal(reader, Training(ranks, method, shape(), at::kDouble, kLanes + 1)),
            "tensor history.hidden: expected float64 [8, 40], the checkpoint has float64 [7, 40]");
  // settings tell the optimizer; weights may be had without it
  EXPECT_EQ(refusal(reader, Training(ranks, keeps_means(method) ? Method::sgd : Method::adam, shape())),
            keeps_means(method) ? "no error" : "the checkpoint holds no tensor \"optimizer.mean.embedding\"");
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Checkpointing, testing::Values(Method::adam, Method::lamb, Method::sgd, Method::averaged_sgd));

// A folder that cannot be made ends every rank alike.
TEST_P(Checkpointing, AFailedWriteIsTheSameErrorOnEveryRank) {
  Training training(ranks, GetParam(), shape());
  if (world.rank() == 0) std::ofstream(root / "file") << "in the way";
  world.barrier();
  try {
    save_checkpoint(ranks, root / "file" / "checkpoints", training.step, state());
    ADD_FAILURE() << "no error";
  } catch (const WriteError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("Not a directory"));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
