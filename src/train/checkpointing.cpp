#include "train/checkpointing.h"

#include <fmt/core.h>

#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/version.h"
#include "config/settings_io.h"
#include "plan/row_partition.h"

namespace trellis {
namespace {

constexpr int kStateVersion = 3;
constexpr const char* kAverages = "optimizer.average.";

ElementType element_type(at::ScalarType type) { return type == at::kDouble ? ElementType::float64 : ElementType::float32; }

std::optional<at::ScalarType> scalar_type(ElementType type) {
  if (type == ElementType::float64) return at::kDouble;
  if (type == ElementType::float32) return at::kFloat;
  return std::nullopt;
}

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
  if (training.optimizer().average()) append(tensors, parameters_of(kAverages, *training.optimizer().average()));
  return tensors;
}

// All lanes of what each rank holds its own lanes of.
at::Tensor all_lanes_of(const Ranks& ranks, const at::Tensor& own, Range lanes) {
  const std::int64_t all = ranks.world.all_reduce(lanes.size(), Reduction::sum);
  at::Tensor whole = at::zeros({all, own.size(1)}, own.options().device(at::kCPU));
  whole.narrow(0, lanes.begin, lanes.size()).copy_(own);
  if (ranks.size() > 1) ranks.group.all_reduce(whole, Reduction::sum);  // the others add zeros: exact
  return whole;
}

// Rows of a stored tensor into `to`, wherever that lies.
void read_rows(const CheckpointReader& reader, const std::string& name, Range rows, const at::Tensor& to) {
  const at::Tensor host = to.is_cpu() ? to : at::empty_like(to, to.options().device(at::kCPU));
  reader.read(name, rows, host.mutable_data_ptr());
  if (!to.is_cpu()) to.copy_(host);
}

void read_whole(const CheckpointReader& reader, const NamedTensor& wanted) {
  reader.expect(wanted.info());
  read_rows(reader, wanted.name, {0, wanted.tensor.size(0)}, wanted.tensor);
}

}  // namespace

WriteReport save_checkpoint(const Ranks& ranks, const std::filesystem::path& root, TrainingStep& training, const CheckpointState& state) {
  std::vector<NamedTensor> tensors = weights_and_optimizer(training);
  for (const LaneState& lanes : training.task().lane_states()) {
    tensors.push_back({lanes.name, all_lanes_of(ranks, lanes.own, training.task().lanes())});
  }
  for (NamedTensor& tensor : tensors) tensor.tensor = tensor.tensor.cpu();

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
                            {"data", state.data}};
  return write_checkpoint(ranks.world, root, state.run.step, slices, json);
}

CheckpointState read_state(const CheckpointReader& reader) {
  const std::string where = reader.path().string() + ": manifest.json: state";
  try {
    const nlohmann::json& json = reader.state();
    const int version = json.at("version").get<int>();
    if (version < 1 || version > kStateVersion) {
      throw DataError(fmt::format("the state's version is {}, this program reads 1 to {}", version, kStateVersion), where,
                      "use the program version that wrote it");
    }
    CheckpointState state{.run = RunState::from_json(json.at("run"), version, where),
                          .settings = from_ini(json.at("settings").get<std::string>(), where),
                          .data = {}};
    if (version == 1) {  // there were texts only
      state.data = {{"kind", "text"}, {"words", json.at("vocabulary").at("words").get<std::int64_t>()},
                    {"hash", json.at("vocabulary").at("hash").get<std::string>()}};
    } else {
      state.data = json.at("data");
      if (!state.data.is_object()) throw DataError("the state's 'data' is not an object", where, "use another checkpoint");
    }
    return state;
  } catch (const nlohmann::json::exception& e) {
    const std::string what = e.what();  // "[json.exception.out_of_range.403] key 'version' not found"
    throw DataError("not the state of a training run: " + what.substr(what.find("] ") == std::string::npos ? 0 : what.find("] ") + 2), where, "give a checkpoint that trellis train wrote");
  }
}

void load_weights(const CheckpointReader& reader, Parameters& weights) {
  const RunState run = read_state(reader).run;
  const std::string prefix = run.averaged_updates.value_or(0) > 0 ? kAverages : "weights.";
  for (const NamedTensor& tensor : parameters_of(prefix, weights)) {
    const at::ScalarType stored = scalar_type(reader.tensor(tensor.name).type).value_or(tensor.tensor.scalar_type());
    const NamedTensor read{tensor.name, at::empty_like(tensor.tensor, tensor.tensor.options().dtype(stored).device(at::kCPU))};
    read_whole(reader, read);
    tensor.tensor.copy_(read.tensor);
  }
}

void load_training(const CheckpointReader& reader, const CheckpointState& state, TrainingStep& training) {
  if (state.run.averaged_updates) training.optimizer().begin_averaging(*state.run.averaged_updates);
  for (const NamedTensor& tensor : weights_and_optimizer(training)) read_whole(reader, tensor);
  const Range lanes = training.task().lanes();
  for (const LaneState& carried : training.task().lane_states()) {
    reader.expect({carried.name, element_type(carried.own.scalar_type()), {training.task().all_lanes(), carried.own.size(1)}});
    if (!lanes.empty()) read_rows(reader, carried.name, lanes, carried.own);
  }
}

}  // namespace trellis
