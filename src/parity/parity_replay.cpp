// Trains a case's network as its file did, and compares.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "comm/rank_sums.h"
#include "parallel/gradient_reduction.h"
#include "parallel/language_model.h"
#include "parity/parity.h"
#include "parity/parity_case.h"

namespace trellis {
namespace {

// What a replay of either kind does once its step's gradient is there.
class Replay {
 public:
  Replay(const TrainingCase& parity_case, const MeshGroups& groups, const ParameterLayout& layout, bool first_step_only)
      : case_(parity_case),
        groups_(groups),
        first_step_only_(first_step_only),
        weights_(parity_case.initial_weights(layout)),
        gradients_(layout, parity_case.options()),
        optimizer_(parity_case.rule(), layout, parity_case.options(), &groups.vocabulary) {
    if (parity_case.averaged()) optimizer_.begin_averaging();
  }

  const Parameters& weights() const { return weights_; }
  Parameters& gradients() { return gradients_; }
  std::string group() const { return fmt::format("step{}", step_); }

  void compare(const std::string& name, const at::Tensor& actual) {
    const at::Tensor expected = case_.file().read(group() + "/" + name);
    results_.push_back({step_, name, first_step_only_ ? parity_distance(actual, expected) : parity_error(actual, expected)});
  }
  void compare(const std::string& name, double value) { compare(name, at::scalar_tensor(value, at::kDouble)); }

  // Norm, clipped gradients, update, and what it leaves. Whether there is more to replay.
  bool finish_step() {
    const at::Tensor norm = global_norm(gradients_, &groups_.vocabulary), factor = clipping_factor(norm, case_.rule().clip);
    compare("grad_norm", norm);
    for (const ParameterInfo& info : weights_.layout().parameters()) compare("grads/" + info.name, published(gradients_, info) * factor);
    if (first_step_only_) return false;
    optimizer_.update(weights_, gradients_, factor, case_.learning_rate(), step_ + 1);
    compare_parameters("params/", weights_);
    if (optimizer_.averaging()) compare_parameters("averages/", *optimizer_.average());
    return ++step_ < case_.steps();
  }

  std::vector<ParityResult> take_results() { return std::move(results_); }

 private:
  // The tensor in its published shape, of all words.
  at::Tensor published(const Parameters& parameters, const ParameterInfo& info) const {
    const ParameterLayout& layout = parameters.layout();
    if (layout.whole() || !info.striped) return parameters.published(info.name);
    const at::Tensor whole = at::zeros(info.published, parameters.flat().options()), own = parameters.view(info.name);
    for (const RowPiece& piece : layout.pieces(info)) {
      whole.narrow(0, piece.whole.begin, piece.whole.size()).copy_(own.narrow(0, piece.memory.begin, piece.memory.size()));
    }
    groups_.vocabulary.all_reduce(whole, Reduction::sum);  // the others add zeros
    return whole;
  }

  // A file has dense kernels. What a mixed group convolution has no place for takes no part in the network, although weight
  // decay moves it there: it is left out of both sides.
  void compare_parameters(const std::string& prefix, const Parameters& parameters) {
    const ParameterLayout& layout = parameters.layout();
    for (const ParameterInfo& info : layout.parameters()) {
      const at::Tensor all = case_.file().read(group() + "/" + prefix + info.name);
      const bool dense = info.rows == ParameterInfo::Rows::grouped_kernel && all.sizes() == at::IntArrayRef(info.published);
      const at::Tensor expected = dense ? layout.published(info, layout.in_memory(info, all)) : all;
      results_.push_back({step_, prefix + info.name, parity_error(published(parameters, info), expected)});
    }
  }

  const TrainingCase& case_;
  const MeshGroups& groups_;
  const bool first_step_only_;
  Parameters weights_, gradients_;
  Optimizer optimizer_;
  int step_ = 0;
  std::vector<ParityResult> results_;
};

// [lanes of this rank's replica, channels] of every lane.
at::Tensor all_lanes(const MeshGroups& groups, const at::Tensor& own, Range lanes, std::int64_t count) {
  const at::Tensor all = at::zeros({count, own.size(1)}, own.options());
  if (groups.replica.rank() == 0) all.narrow(0, lanes.begin, lanes.size()).copy_(own);
  groups.world.all_reduce(all, Reduction::sum);
  return all;
}

std::vector<ParityResult> replay_language_model(const TrainingCase& parity_case, std::optional<at::ScalarType> activations, const ReplayMesh& mesh) {
  const std::int64_t lanes = parity_case.lanes();
  std::int64_t max_steps = 1;
  for (std::int64_t step = 0; step < parity_case.steps(); ++step) {
    max_steps = std::max(max_steps, parity_case.tokens(fmt::format("step{}/tokens", step)).numel() / lanes);
  }
  parity_case.refuse_large(max_steps);
  const Mesh& shape_of_mesh = mesh.groups.mesh;
  make_mesh(shape_of_mesh.ranks(), shape_of_mesh.data, shape_of_mesh.pipeline, {VocabularyLayout::Kind::ranks, shape_of_mesh.vocabulary},
            parity_case.shape().levels);  // refuses more stages than levels
  LanguageModel model(mesh.groups, parity_case.shape(), lanes, max_steps,
                      {.objective = parity_case.objective(), .activations = activations, .chunks = mesh.chunks}, parity_case.options());
  const Range own = model.lanes(), given = model.given_lanes();
  const auto of_lanes = [](const at::Tensor& values, Range range) { return values.defined() ? values.narrow(0, range.begin, range.size()) : values; };
  Replay replay(parity_case, mesh.groups, model.layout(), activations.has_value());
  const History start = parity_case.history("h0", "c0");
  History history{of_lanes(start.hidden, own).clone(), of_lanes(start.cell, own).clone()};
  for (bool more = true; more;) {
    WindowTokens window = parity_case.window(replay.group());
    window.tokens = lanes_of(window.tokens, window.steps, {0, lanes}, given);
    window.targets = lanes_of(window.targets, window.steps, {0, lanes}, given);
    DropoutMasks masks = parity_case.masks(replay.group());
    masks.input = of_lanes(masks.input, own);
    masks.hidden = of_lanes(masks.hidden, own);
    for (at::Tensor& mask : masks.outputs) mask = of_lanes(mask, own);
    for (at::Tensor& mask : masks.latents) mask = of_lanes(mask, given);
    const LossSums sums = LossSums::read(
        sum_over_ranks(&mesh.groups.world, model.forward_backward(replay.weights(), window, masks, history, replay.gradients())));
    const ScoredSteps scored{window.steps - window.discard, lanes, parity_case.shape().outputs};
    replay.compare("loss", sums.loss / scored.tokens());
    replay.compare("aux_loss", sums.auxiliary / scored.tokens());
    replay.compare("total", total(parity_case.objective(), sums, scored));
    replay.compare("h", all_lanes(mesh.groups, history.hidden, own, lanes));
    replay.compare("c", all_lanes(mesh.groups, history.cell, own, lanes));
    more = replay.finish_step();
  }
  return replay.take_results();
}

std::vector<ParityResult> replay_classifier(const TrainingCase& parity_case, std::optional<at::ScalarType> activations, const ReplayMesh& mesh) {
  const MeshGroups& groups = mesh.groups;
  if (groups.mesh.pipeline > 1 || groups.mesh.vocabulary > 1) {
    throw ConfigError("a classifier has neither stages nor a vocabulary to share", parity_case.file().path() + " on " + describe(groups.mesh),
                      fmt::format("replay it with --mesh {},1,replicated,1", groups.mesh.ranks()));
  }
  const std::int64_t lanes = parity_case.lanes();
  const Range own = groups.mesh.lanes_of_replica(lanes, groups.rank);
  const std::int64_t sequence_steps = parity_case.sequences("step0").input.size(0) / lanes;
  parity_case.refuse_large(sequence_steps);
  const ParameterLayout layout(parity_case.shape());
  Replay replay(parity_case, groups, layout, activations.has_value());
  SequenceClassifier model(parity_case.shape(), sequence_steps, own.size(), Keep::gates, parity_case.options(), activations);
  const auto rows_of = [&](const at::Tensor& rows) {  // [steps * lanes, channels] to this rank's lanes
    return rows.defined() ? rows.view({sequence_steps, lanes, -1}).narrow(1, own.begin, own.size()).reshape({sequence_steps * own.size(), -1}) : rows;
  };
  const auto lanes_only = [&](const at::Tensor& values) { return values.defined() ? values.narrow(0, own.begin, own.size()) : values; };
  for (bool more = true; more;) {
    LabelledSequences batch = parity_case.sequences(replay.group());
    if (batch.input.size(0) != sequence_steps * lanes) {
      throw DataError("sequences of another length than those of step0", parity_case.file().path() + ": " + replay.group(), "write the file again");
    }
    batch = {.lanes = own.size(), .input = rows_of(batch.input), .labels = lanes_only(batch.labels)};
    DropoutMasks masks = parity_case.masks(replay.group());
    masks.input = rows_of(masks.input);
    masks.hidden = lanes_only(masks.hidden);
    for (at::Tensor& mask : masks.outputs) mask = lanes_only(mask);
    const at::Tensor sums = model.forward_backward(replay.weights(), batch, masks, lanes, replay.gradients());
    GradientReduction(groups, replay.gradients()).finish();
    SequenceClassifier::finish_gradients(replay.weights(), masks, replay.gradients());
    const double loss = ClassificationSums::read(sum_over_ranks(&groups.world, sums)).loss / static_cast<double>(lanes);
    replay.compare("loss", loss);
    replay.compare("total", loss);
    const at::Tensor log_probabilities = own.empty() ? at::empty({0, parity_case.shape().outputs}, parity_case.options()) : model.log_probabilities();
    replay.compare("log_probs", all_lanes(groups, log_probabilities, own, lanes));
    more = replay.finish_step();
  }
  return replay.take_results();
}

}  // namespace

double parity_error(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor a = actual.to(at::Device(at::kCPU), at::kDouble).reshape(-1), b = expected.to(at::kDouble).reshape(-1);
  if (a.numel() != b.numel()) return std::numeric_limits<double>::infinity();
  if (b.numel() == 0) return 0;
  const double difference = (a - b).abs().max().item<double>(), largest = b.abs().max().item<double>();
  const double error = largest == 0 ? difference : difference / largest;
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

double parity_distance(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor a = actual.to(at::Device(at::kCPU), at::kDouble).reshape(-1), b = expected.to(at::kDouble).reshape(-1);
  if (a.numel() != b.numel()) return std::numeric_limits<double>::infinity();
  const double difference = (a - b).norm().item<double>(), length = b.norm().item<double>();
  const double error = length == 0 ? difference : difference / length;
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

double parity_limit(at::ScalarType type) { return type == at::kDouble ? 1e-9 : type == at::kFloat ? 1e-5 : 5e-2; }

std::vector<ParityResult> replay_parity(const ParityFile& file, at::TensorOptions options, std::optional<at::ScalarType> activations,
                                        const ReplayMesh& mesh) {
  const TrainingCase parity_case(file, options);
  return parity_case.shape().classifier ? replay_classifier(parity_case, activations, mesh) : replay_language_model(parity_case, activations, mesh);
}

}  // namespace trellis
