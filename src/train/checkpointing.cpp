#include "train/checkpointing.h"

#include <fmt/core.h>

#include <vector>

#include "base/errors.h"
#include "base/version.h"
#include "config/settings_io.h"
#include "plan/row_partition.h"

namespace trellis {
namespace {

constexpr int kStateVersion = 1;

ElementType element_type(at::ScalarType type) { return type == at::kDouble ? ElementType::float64 : ElementType::float32; }

// A tensor that is whole on every rank.
struct NamedTensor {
  std::string name;
  at::Tensor tensor;  // contiguous
  TensorInfo info() const { return {name, element_type(tensor.scalar_type()), tensor.sizes().vec()}; }
};

std::vector<NamedTensor> parameters_of(const std::string& prefix, const Parameters& parameters) {
  std::vector<NamedTensor> result;
  for (const ParameterInfo& info : parameters.layout().parameters()) {
    result.push_back({prefix + info.name, parameters.view(info.name)});
  }
  return result;
}

void append(std::vector<NamedTensor>& to, std::vector<NamedTensor> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<NamedTensor> weights_and_optimizer(TrainingStep& training) {
  std::vector<NamedTensor> tensors = parameters_of("weights.", training.weights());
  if (training.optimizer().mean()) append(tensors, parameters_of("optimizer.mean.", *training.optimizer().mean()));
  if (training.optimizer().variance()) append(tensors, parameters_of("optimizer.variance.", *training.optimizer().variance()));
  return tensors;
}

// All lanes of what each rank holds its own lanes of.
at::Tensor all_lanes_of(const Ranks& ranks, const at::Tensor& own, Range lanes) {
  const std::int64_t all = ranks.world.all_reduce(lanes.size(), Reduction::sum);
  at::Tensor whole = at::zeros({all, own.size(1)}, own.options());
  whole.narrow(0, lanes.begin, lanes.size()).copy_(own);
  if (ranks.size() > 1) ranks.group.all_reduce(whole, Reduction::sum);  // the others add zeros: exact
  return whole;
}

void read_whole(const CheckpointReader& reader, const NamedTensor& wanted) {
  reader.expect(wanted.info());
  reader.read(wanted.name, {0, wanted.tensor.size(0)}, wanted.tensor.mutable_data_ptr());
}

}  // namespace

WriteReport save_checkpoint(const Ranks& ranks, const std::filesystem::path& root, TrainingStep& training, const CheckpointState& state) {
  std::vector<NamedTensor> tensors = weights_and_optimizer(training);
  tensors.push_back({"history.hidden", all_lanes_of(ranks, training.history().hidden, training.lanes())});
  tensors.push_back({"history.cell", all_lanes_of(ranks, training.history().cell, training.lanes())});

  std::vector<RowBlock> blocks;
  for (const NamedTensor& tensor : tensors) blocks.push_back({tensor.info().rows(), tensor.info().row_bytes()});
  const std::vector<Range> rows = partition_rows(blocks, ranks.size(), ranks.rank());
  std::vector<TensorSlice> slices;
  for (std::size_t n = 0; n < tensors.size(); ++n) {
    const TensorInfo info = tensors[n].info();
    const char* const data = static_cast<const char*>(tensors[n].tensor.const_data_ptr());
    slices.push_back({info.name, info.type, info.shape, rows[n], data + rows[n].begin * info.row_bytes()});
  }
  const nlohmann::json json{{"version", kStateVersion},
                            {"program", kVersion},
                            {"run", state.run.to_json()},
                            {"settings", to_ini(state.settings)},
                            {"vocabulary", {{"words", state.vocabulary}, {"hash", state.vocabulary_hash}}}};
  return write_checkpoint(ranks.world, root, state.run.step, slices, json);
}

CheckpointState read_state(const CheckpointReader& reader) {
  const std::string where = reader.path().string() + ": manifest.json: state";
  try {
    const nlohmann::json& json = reader.state();
    const int version = json.at("version").get<int>();
    if (version != kStateVersion) {
      throw DataError(fmt::format("the state's version is {}, this program reads {}", version, kStateVersion), where,
                      "use the program version that wrote it");
    }
    return {.run = RunState::from_json(json.at("run"), where),
            .settings = from_ini(json.at("settings").get<std::string>(), where),
            .vocabulary = json.at("vocabulary").at("words").get<std::int64_t>(),
            .vocabulary_hash = json.at("vocabulary").at("hash").get<std::string>()};
  } catch (const nlohmann::json::exception& e) {
    throw DataError(std::string("not the state of a training run: ") + e.what(), where, "give a checkpoint that trellis train wrote");
  }
}

void load_weights(const CheckpointReader& reader, Parameters& weights) {
  for (const NamedTensor& tensor : parameters_of("weights.", weights)) read_whole(reader, tensor);
}

void load_training(const CheckpointReader& reader, std::int64_t all_lanes, TrainingStep& training) {
  for (const NamedTensor& tensor : weights_and_optimizer(training)) read_whole(reader, tensor);
  const auto read_lanes = [&](const char* name, const at::Tensor& own) {
    reader.expect({name, element_type(own.scalar_type()), {all_lanes, own.size(1)}});
    if (!training.lanes().empty()) reader.read(name, training.lanes(), own.mutable_data_ptr());
  };
  read_lanes("history.hidden", training.history().hidden);
  read_lanes("history.cell", training.history().cell);
}

}  // namespace trellis
