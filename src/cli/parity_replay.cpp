// Trains a case's network as its file did, and compares.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/parity.h"
#include "cli/parity_case.h"

namespace trellis {
namespace {

// What a replay of either kind does once its step's gradient is there.
class Replay {
 public:
  Replay(const TrainingCase& parity_case, bool first_step_only)
      : case_(parity_case),
        first_step_only_(first_step_only),
        weights_(parity_case.initial_weights()),
        gradients_(weights_.layout(), parity_case.options()),
        optimizer_(parity_case.rule(), weights_.layout(), parity_case.options()) {
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
    const double norm = global_norm(gradients_), factor = clipping_factor(norm, case_.rule().clip);
    compare("grad_norm", norm);
    for (const ParameterInfo& info : weights_.layout().parameters()) compare("grads/" + info.name, gradients_.published(info.name) * factor);
    if (first_step_only_) return false;
    optimizer_.update(weights_, gradients_, factor, case_.learning_rate(), step_ + 1);
    compare_parameters("params/", weights_);
    if (optimizer_.averaging()) compare_parameters("averages/", *optimizer_.average());
    return ++step_ < case_.steps();
  }

  std::vector<ParityResult> take_results() { return std::move(results_); }

 private:
  // A file has dense kernels. What a mixed group convolution has no place for takes no part in the network, although weight
  // decay moves it there: it is left out of both sides.
  void compare_parameters(const std::string& prefix, const Parameters& parameters) {
    const ParameterLayout& layout = parameters.layout();
    for (const ParameterInfo& info : layout.parameters()) {
      const at::Tensor all = case_.file().read(group() + "/" + prefix + info.name);
      const at::Tensor expected = all.sizes() == at::IntArrayRef(info.published) ? layout.published(info, layout.in_memory(info, all)) : all;
      results_.push_back({step_, prefix + info.name, parity_error(parameters.published(info.name), expected)});
    }
  }

  const TrainingCase& case_;
  const bool first_step_only_;
  Parameters weights_, gradients_;
  Optimizer optimizer_;
  int step_ = 0;
  std::vector<ParityResult> results_;
};

std::vector<ParityResult> replay_language_model(const TrainingCase& parity_case, std::optional<at::ScalarType> activations) {
  const std::int64_t lanes = parity_case.lanes();
  std::int64_t max_steps = 1;
  for (std::int64_t step = 0; step < parity_case.steps(); ++step) {
    max_steps = std::max(max_steps, parity_case.tokens(fmt::format("step{}/tokens", step)).numel() / lanes);
  }
  parity_case.refuse_large(max_steps);
  Replay replay(parity_case, activations.has_value());
  History history = parity_case.history("h0", "c0");
  LanguageModel model(parity_case.shape(), parity_case.objective(), lanes, max_steps, Keep::gates, parity_case.options(), activations);
  for (bool more = true; more;) {
    const WindowTokens window = parity_case.window(replay.group());
    const DropoutMasks masks = parity_case.masks(replay.group());
    const LossSums sums = model.forward_backward(replay.weights(), window, masks, lanes, history, replay.gradients());
    LanguageModel::finish_gradients(replay.weights(), masks, replay.gradients());
    const ScoredSteps scored{window.steps - window.discard, lanes, parity_case.shape().outputs};
    replay.compare("loss", sums.loss / scored.tokens());
    replay.compare("aux_loss", sums.auxiliary / scored.tokens());
    replay.compare("total", total(parity_case.objective(), sums, scored));
    replay.compare("h", history.hidden);
    replay.compare("c", history.cell);
    more = replay.finish_step();
  }
  return replay.take_results();
}

std::vector<ParityResult> replay_classifier(const TrainingCase& parity_case, std::optional<at::ScalarType> activations) {
  const std::int64_t lanes = parity_case.lanes();
  const std::int64_t sequence_steps = parity_case.sequences("step0").input.size(0) / lanes;
  parity_case.refuse_large(sequence_steps);
  Replay replay(parity_case, activations.has_value());
  SequenceClassifier model(parity_case.shape(), sequence_steps, lanes, Keep::gates, parity_case.options(), activations);
  for (bool more = true; more;) {
    const LabelledSequences batch = parity_case.sequences(replay.group());
    if (batch.input.size(0) != sequence_steps * lanes) {
      throw DataError("sequences of another length than those of step0", parity_case.file().path() + ": " + replay.group(), "write the file again");
    }
    const DropoutMasks masks = parity_case.masks(replay.group());
    const ClassificationSums sums = model.forward_backward(replay.weights(), batch, masks, lanes, replay.gradients());
    SequenceClassifier::finish_gradients(replay.weights(), masks, replay.gradients());
    replay.compare("loss", sums.loss / static_cast<double>(lanes));
    replay.compare("total", sums.loss / static_cast<double>(lanes));
    replay.compare("log_probs", model.log_probabilities());
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

std::vector<ParityResult> replay_parity(const ParityFile& file, at::TensorOptions options, std::optional<at::ScalarType> activations) {
  const TrainingCase parity_case(file, options);
  return parity_case.shape().classifier ? replay_classifier(parity_case, activations) : replay_language_model(parity_case, activations);
}

}  // namespace trellis
