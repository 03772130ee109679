#include "parity/parity_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

using nlohmann::json;

template <class T>
T value_of(const json& object, const char* name, const ParityFile& file) {
  try {
    const json& value = object.at(name);
    if (std::is_integral_v<T> && !std::is_same_v<T, bool> && !value.is_number_integer()) {
      throw DataError(fmt::format("config.{} cannot be used: it is {}, expected a whole number", name, value.dump().substr(0, 64)), file.path(), "write the file again");
    }
    return value.get<T>();
  } catch (const json::exception& e) {
    throw DataError(fmt::format("config.{} cannot be used: {}", name, e.what()), file.path(), "write the file again");
  }
}

// The same of a key that may be left out where the variant is off.
template <class T>
T value_or(const json& object, const char* name, T absent, const ParityFile& file) {
  return object.contains(name) ? value_of<T>(object, name, file) : absent;
}

}  // namespace

template <class T>
T ParityCase::setting(const char* name) const {
  return value_of<T>(file_.config(), name, file_);
}
template std::string ParityCase::setting(const char* name) const;
template json ParityCase::setting(const char* name) const;

ParityCase::ParityCase(const ParityFile& file, at::TensorOptions options) : file_(file), options_(options), shape_(read_shape()) {}

void ParityCase::refuse(const std::string& what, const std::string& place) const {
  throw DataError(what, file_.path() + ": " + place, "write the file again");
}

TrellisShape ParityCase::read_shape() const {
  const json& config = file_.config();
  const auto get = [&](const char* name) { return value_of<std::int64_t>(config, name, file_); };
  const auto get_or = [&](const char* name, std::int64_t absent) { return value_or<std::int64_t>(config, name, absent, file_); };
  const auto kind = value_or<std::string>(config, "kind", "language_model", file_);
  if (kind != "language_model" && kind != "classifier") {
    throw ConfigError("this case needs kind = '" + kind + "', which this version does not have", file_.path(), "leave it out");
  }
  TrellisShape shape;
  shape.classifier = kind == "classifier";
  shape.levels = get("layers"), shape.hidden = get("hidden"), shape.outputs = get("outputs");
  shape.embedding = get("embedding"), shape.kernel = get("kernel"), shape.vocabulary = get("vocabulary");
  shape.dilations = value_of<std::vector<std::int64_t>>(config, "dilations", file_);
  shape.cutoffs = value_of<std::vector<std::int64_t>>(config, "cutoffs", file_);
  shape.weight_norm = value_of<bool>(config, "weight_norm", file_);
  shape.auxiliary_every = get("aux_every");
  shape.experts = get_or("experts", 0);
  shape.groups = get_or("groups", 0);
  shape.injection_every = get_or("injection_period", 1);
  try {
    shape.validate();
  } catch (const ConfigError& error) {
    refuse(error.fact(), "attribute config");
  }
  return shape;
}

void ParityCase::refuse_large(std::int64_t window_steps) const {
  constexpr double kMostElements = 1 << 28;
  const auto channels = static_cast<double>(shape_.hidden), taps = static_cast<double>(shape_.kernel);
  const auto widest = static_cast<double>(*std::max_element(shape_.dilations.begin(), shape_.dilations.end()));
  const auto experts = static_cast<double>(std::max<std::int64_t>(1, shape_.experts));
  const double kernels = 4 * channels * taps * (channels + static_cast<double>(shape_.embedding));
  const double words = static_cast<double>(shape_.vocabulary) * (static_cast<double>(shape_.embedding) + experts);
  const double latents = experts * static_cast<double>(shape_.embedding) * static_cast<double>(shape_.outputs + lanes_);
  const double rows = (static_cast<double>(window_steps) + (taps - 1) * widest) * static_cast<double>(lanes_);
  const double states = 6 * channels * rows * static_cast<double>(shape_.levels + 1);
  const double all = kernels + words + latents + states;
  if (all <= kMostElements) return;
  throw DataError(fmt::format("a network of {:.2g} weights and states, at most {:.2g} are expected", all, kMostElements),
                  file_.path() + ": attribute config", "parity cases are small");
}

at::Tensor ParityCase::read(const std::string& name, at::IntArrayRef shape) const {
  const at::Tensor values = file_.read(name);
  if (values.sizes() != shape) {
    refuse(fmt::format("the shape is [{}], expected [{}]", fmt::join(values.sizes(), ", "), fmt::join(shape, ", ")), name);
  }
  return values.to(options_.device(), at::typeMetaToScalarType(options_.dtype()));
}

at::Tensor ParityCase::read_if_there(const std::string& name, at::IntArrayRef shape) const {
  return file_.contains(name) ? read(name, shape) : at::Tensor();
}

at::Tensor ParityCase::tokens(const std::string& name) const {
  const at::Tensor values = file_.read(name);
  if (values.dim() != 2 || values.size(0) < 1 || (lanes_ > 0 && values.size(0) != lanes_) || values.size(1) < 1 ||
      values.scalar_type() != at::kLong) {
    refuse("expected integers [lanes, steps]", name);
  }
  if (values.min().item<std::int64_t>() < 0 || values.max().item<std::int64_t>() >= shape_.vocabulary) {
    refuse(fmt::format("a token is outside [0, {})", shape_.vocabulary), name);
  }
  return values.t().contiguous().view(-1);
}

History ParityCase::history(const char* hidden, const char* cell) const {
  return {read(hidden, {lanes_, shape_.hidden}), read(cell, {lanes_, shape_.hidden})};
}

TrainingCase::TrainingCase(const ParityFile& file, at::TensorOptions options) : ParityCase(file, options) {
  const json& config = file.config();
  set_lanes(value_of<std::int64_t>(config, "batch", file));
  steps_ = value_of<std::int64_t>(config, "steps", file);
  discard_ = value_of<std::int64_t>(config, "discard", file);
  if (lanes() < 1 || steps_ < 1 || discard_ < 0) {
    refuse(fmt::format("batch = {}, steps = {}, discard = {}: expected at least 1, 1 and 0", lanes(), steps_, discard_), "attribute config");
  }
  objective_ = {.auxiliary_weight = value_of<double>(config, "aux_weight", file),
                .activation = value_or<double>(config, "alpha", 0, file),
                .slowness = value_or<double>(config, "beta", 0, file)};
  const json optimizer = setting<json>("optimizer");
  const auto name = value_of<std::string>(optimizer, "name", file);
  if (name != "adam" && name != "sgd" && name != "asgd") {
    throw ConfigError("this case needs optimizer '" + name + "', which this version does not have", file.path(), "leave it out");
  }
  rule_.kind = name == "adam" ? OptimizerRule::Kind::adam : OptimizerRule::Kind::sgd;
  averaged_ = name == "asgd";
  rule_.weight_decay = value_of<double>(optimizer, "weight_decay", file);
  rule_.clip = value_of<double>(optimizer, "clip", file);
  learning_rate_ = value_of<double>(optimizer, "lr", file);
}

Parameters TrainingCase::initial_weights(const ParameterLayout& layout) const {
  Parameters weights(layout, options());
  for (const ParameterInfo& info : layout.parameters()) weights.assign(info.name, read("params/" + info.name, info.published));
  for (const std::string& name : file().names("params")) {
    if (!layout.contains(name)) refuse("a parameter that this network does not have", "params/" + name);
  }
  return weights;
}

WindowTokens TrainingCase::window(const std::string& step) const {
  WindowTokens window{.steps = 0, .discard = discard_, .tokens = tokens(step + "/tokens"), .targets = tokens(step + "/targets")};
  window.steps = window.tokens.numel() / lanes();
  if (discard_ >= window.steps || window.targets.numel() != window.tokens.numel()) {
    refuse("tokens, targets and discard do not fit each other", step);
  }
  return window;
}

at::Tensor TrainingCase::time_major(const std::string& name, std::int64_t steps) const {
  const at::Tensor values = read_if_there(name, {lanes(), shape().embedding, steps});
  return values.defined() ? values.permute({2, 0, 1}).reshape({steps * lanes(), shape().embedding}) : values;
}

LabelledSequences TrainingCase::sequences(const std::string& step) const {
  const at::Tensor pixels = file().read(step + "/pixels"), labels = file().read(step + "/labels");
  if (pixels.dim() != 3 || pixels.size(2) < 1) refuse("expected numbers [lanes, channels, steps]", step + "/pixels");
  if (labels.dim() != 1 || labels.size(0) != lanes() || labels.scalar_type() != at::kLong) refuse("expected integers [lanes]", step + "/labels");
  if (labels.min().item<std::int64_t>() < 0 || labels.max().item<std::int64_t>() >= shape().outputs) {
    refuse(fmt::format("a label is outside [0, {})", shape().outputs), step + "/labels");
  }
  return {.lanes = lanes(), .input = time_major(step + "/pixels", pixels.size(2)), .labels = labels};
}

KernelDropout TrainingCase::kernel_mask(const std::string& name, const char* parameter) const {
  const ParameterLayout layout(shape());
  const ParameterInfo& info = layout.find(shape().weight_norm ? std::string(parameter) + "_v" : parameter);
  const at::Tensor mask = read_if_there(name, info.published);
  return {.given = mask.defined() ? layout.in_memory(info, mask).contiguous() : mask, .rate = 0, .stream = {}};
}

std::vector<at::Tensor> TrainingCase::masks_of_outputs(const std::string& final_name, const std::string& auxiliary_name,
                                                       std::int64_t width) const {
  const std::int64_t auxiliary = shape().auxiliary_outputs();
  std::vector<at::Tensor> masks{read_if_there(final_name, {lanes(), width})};
  const at::Tensor others = read_if_there(auxiliary_name, {auxiliary, lanes(), width});
  for (std::int64_t n = 0; n < auxiliary; ++n) masks.push_back(others.defined() ? others[n].contiguous() : at::Tensor());
  return masks;
}

DropoutMasks TrainingCase::masks(const std::string& step) const {
  const std::string group = step + "/masks/";
  DropoutMasks masks;
  masks.hidden = read_if_there(group + "hidden", {lanes(), shape().hidden});
  masks.input_kernel = kernel_mask(group + "W1", "W1");
  masks.hidden_kernel = kernel_mask(group + "W2", "W2");
  if (shape().classifier) {
    masks.input = time_major(group + "pixels", sequences(step).input.size(0) / lanes());
    masks.outputs.push_back(read_if_there(group + "logits", {lanes(), shape().outputs}));
    return masks;
  }
  const at::Tensor rows = read_if_there(group + "embedding_rows", {shape().vocabulary, 1});
  if (rows.defined()) masks.embedding_rows = rows.view(-1);
  masks.input = read_if_there(group + "input", {lanes(), shape().embedding});
  masks.outputs = masks_of_outputs(group + "output", group + "aux", shape().outputs);
  masks.latents = masks_of_outputs(group + "latent", group + "latent_aux", shape().experts * shape().embedding);
  return masks;
}

AnsweringCase::AnsweringCase(const ParityFile& file, at::TensorOptions options) : ParityCase(file, options) {
  if (shape().classifier) refuse("answers of a classifier, expected those of a language model", "attribute config");
  const at::Tensor values = file.read("tokens");
  if (values.dim() != 2) refuse("expected integers [lanes, steps]", "tokens");
  set_lanes(values.size(0));
}

}  // namespace trellis
