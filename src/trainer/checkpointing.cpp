#include "trainer/checkpointing.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "base/errors.h"
#include "base/json_document.h"
#include "base/version.h"
#include "config/settings_io.h"
#include "plan/checkpoint_rows.h"
#include "train/dataset.h"

namespace trellis {
namespace {

constexpr int kStateVersion = 4;
constexpr const char* kAverages = "optimizer.average.";

ElementType element_type(at::ScalarType type) { return type == at::kDouble ? ElementType::float64 : ElementType::float32; }

std::optional<at::ScalarType> scalar_type(ElementType type) {
  if (type == ElementType::float64) return at::kDouble;
  if (type == ElementType::float32) return at::kFloat;
  return std::nullopt;
}

// What this rank holds of one of the tensors of a checkpoint.
struct NamedTensor {
  std::string name;
  std::vector<std::int64_t> whole;  // shape
  at::Tensor held;                  // contiguous: the rows of `pieces`
  std::vector<RowPiece> pieces;
  bool striped = false;  // the ranks of a vocabulary group hold the whole together; else this one does

  TensorInfo info() const { return {name, element_type(held.scalar_type()), whole}; }
  at::Tensor rows(const Range& memory) const { return held.narrow(0, memory.begin, memory.size()); }
};

std::vector<NamedTensor> parameters_of(const std::string& prefix, const Parameters& parameters) {
  const ParameterLayout& layout = parameters.layout();
  std::vector<NamedTensor> result;
  for (const ParameterInfo& info : layout.parameters()) {
    result.push_back({.name = prefix + info.name, .whole = info.whole(), .held = parameters.view(info.name), .pieces = layout.pieces(info),
                      .striped = info.striped && !layout.whole()});
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

std::vector<NamedTensor> lanes_of(Task& task) {
  std::vector<NamedTensor> tensors;
  for (const LaneState& carried : task.lane_states()) {
    NamedTensor lanes{.name = carried.name, .whole = {task.all_lanes(), carried.own.size(1)}, .held = carried.own, .pieces = {}};
    if (!task.lanes().empty()) lanes.pieces.push_back({task.lanes(), {0, task.lanes().size()}});
    tensors.push_back(std::move(lanes));
  }
  return tensors;
}

// The part of the pieces that lies in these rows of memory; none of it empty.
std::vector<RowPiece> pieces_within(const std::vector<RowPiece>& pieces, const Range& memory) {
  std::vector<RowPiece> within;
  for (const RowPiece& piece : pieces) {
    const Range rows{std::max(piece.memory.begin, memory.begin), std::min(piece.memory.end, memory.end)};
    if (rows.empty()) continue;
    const std::int64_t first = piece.whole.begin + rows.begin - piece.memory.begin;
    within.push_back({{first, first + rows.size()}, rows});
  }
  return within;
}

// What this rank gives to a checkpoint: rows of tensors, and the host memory that they lie in.
class Given {
 public:
  // The tensor's rows that lie in `memory` of this rank.
  void add(const NamedTensor& tensor, const Range& memory) {
    TensorSlice slice{tensor.name, tensor.info().type, tensor.whole, {}};
    for (const RowPiece& piece : pieces_within(tensor.pieces, memory)) {
      host_.push_back(tensor.rows(piece.memory).cpu());
      slice.pieces.push_back({piece.whole, host_.back().const_data_ptr()});
    }
    slices_.push_back(std::move(slice));
  }
  const std::vector<TensorSlice>& slices() const { return slices_; }

 private:
  std::vector<at::Tensor> host_;
  std::vector<TensorSlice> slices_;
};

void read_tensor(const CheckpointReader& reader, const NamedTensor& wanted) {
  reader.expect(wanted.info());
  for (const RowPiece& piece : wanted.pieces) {
    const at::Tensor to = wanted.rows(piece.memory);  // wherever that lies
    const at::Tensor host = to.is_cpu() ? to : at::empty_like(to, to.options().device(at::kCPU));
    reader.read(wanted.name, piece.whole, host.mutable_data_ptr());
    if (!to.is_cpu()) to.copy_(host);
  }
}

}  // namespace

WriteReport save_checkpoint(const Ranks& ranks, const std::filesystem::path& root, TrainingStep& training, const CheckpointState& state) {
  const Mesh& mesh = training.groups().mesh;
  const int rank = training.groups().rank;
  require(mesh.ranks() == ranks.size() && rank == ranks.rank(), "a checkpoint is written by all ranks of the mesh");
  const std::vector<NamedTensor> tensors = weights_and_optimizer(training);
  std::vector<HeldRows> held;
  for (const NamedTensor& tensor : tensors) held.push_back({{tensor.held.size(0), tensor.info().row_bytes()}, tensor.striped});
  const std::vector<Range> rows = rows_to_write(held, mesh, rank);
  Given given;
  for (std::size_t n = 0; n < tensors.size(); ++n) given.add(tensors[n], rows[n]);
  for (const NamedTensor& lanes : lanes_of(training.task())) {
    given.add(lanes, mesh.stage_of(rank) == 0 ? Range{0, lanes.held.size(0)} : Range{});
  }
  const nlohmann::json json{{"version", kStateVersion},
                            {"program", kVersion},
                            {"run", state.run.to_json()},
                            {"settings", to_ini(state.settings)},
                            {"data", state.data}};
  return write_checkpoint(ranks.world, root, state.run.step, given.slices(), json);
}

std::int64_t checkpoint_bytes(TrainingStep& training, const Settings& settings) {
  constexpr std::int64_t kManifest = 8 << 10, kPerTensor = 768;  // the settings above all; HDF5's own bytes and the list
  std::vector<NamedTensor> tensors = weights_and_optimizer(training);
  append(tensors, lanes_of(training.task()));
  if (settings.optimizer.averaging != Averaging::never && !training.optimizer().average()) append(tensors, parameters_of(kAverages, training.weights()));
  std::int64_t bytes = kManifest;
  for (const NamedTensor& tensor : tensors) bytes += tensor.info().bytes() + kPerTensor;
  return bytes;
}

CheckpointState read_state(const CheckpointReader& reader) {
  const std::string where = reader.path().string() + ": manifest.json: state";
  try {
    const nlohmann::json& json = reader.state();
    const JsonSource source{"not the state of a training run", where, "give a checkpoint that trellis train wrote"};
    const int version = static_cast<int>(JsonObject(json, "", source).count("version", 0, std::numeric_limits<int>::max()));
    if (version < 1 || version > kStateVersion) {
      throw DataError(fmt::format("the state's version is {}, this program reads 1 to {}", version, kStateVersion), where,
                      "use the program version that wrote it");
    }
    CheckpointState state{.run = RunState::from_json(json.at("run"), version, where),
                          .settings = from_ini(json.at("settings").get<std::string>(), where),
                          .data = {}};
    if (version == 1) {  // there were texts only
      state.data = {{"kind", "text"}, {"words", JsonObject(json.at("vocabulary"), "vocabulary", source).count("words", 1)},
                    {"hash", json.at("vocabulary").at("hash").get<std::string>()}};
    } else {
      state.data = json.at("data");
      const JsonObject data(state.data, "data", source);
      if (data.has("words")) data.count("words", 1);
      if (tells_splits(state.data)) state.data.at("splits").get<std::map<std::string, std::string>>();
    }
    if (state.run.step != reader.step()) {
      throw DataError(fmt::format("the run's step is {}, but the checkpoint's is {}", state.run.step, reader.step()), where, "use another checkpoint");
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
    const at::ScalarType stored = scalar_type(reader.tensor(tensor.name).type).value_or(tensor.held.scalar_type());
    NamedTensor read = tensor;
    read.held = at::empty_like(tensor.held, tensor.held.options().dtype(stored).device(at::kCPU));
    read_tensor(reader, read);
    tensor.held.copy_(read.held);
  }
}

void load_training(const CheckpointReader& reader, const CheckpointState& state, TrainingStep& training) {
  if (state.run.averaged_updates) training.optimizer().begin_averaging(*state.run.averaged_updates);
  for (const NamedTensor& tensor : weights_and_optimizer(training)) read_tensor(reader, tensor);
  for (const NamedTensor& lanes : lanes_of(training.task())) read_tensor(reader, lanes);
}

}  // namespace trellis
