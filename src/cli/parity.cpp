#include "cli/parity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/errors.h"
#include "base/version.h"
#include "config/command_line.h"
#include "model/language_model.h"
#include "train/optimizer.h"

namespace trellis {
namespace {

using nlohmann::json;

// A value of the case's config, with the file's name in the error if it is missing or of another type.
template <class T>
T setting(const json& config, const ParityFile& file, const char* name) {
  try {
    return config.at(name).get<T>();
  } catch (const json::exception& e) {
    throw DataError(fmt::format("config.{} cannot be used: {}", name, e.what()), file.path(), "write the file again");
  }
}

void refuse_unknown_cases(const ParityFile& file) {
  // a value that is not there stands for the variant being off
  const auto refuse_unless = [&](const char* name, const json& off) {
    const json value = file.config().value(name, off);
    if (value == off) return;
    throw ConfigError(fmt::format("this case needs {} = {}, which this version does not have", name, value.dump()), file.path(), "leave it out");
  };
  refuse_unless("kind", "language_model");
  for (const char* const name : {"experts", "groups", "alpha", "beta"}) refuse_unless(name, 0);
  refuse_unless("injection_period", 1);
}

TrellisShape shape_of(const ParityFile& file) {
  const json& config = file.config();
  const auto get = [&](const char* name) { return setting<std::int64_t>(config, file, name); };
  TrellisShape shape;
  shape.levels = get("layers"), shape.hidden = get("hidden"), shape.outputs = get("outputs");
  shape.embedding = get("embedding"), shape.kernel = get("kernel"), shape.vocabulary = get("vocabulary");
  shape.dilations = setting<std::vector<std::int64_t>>(config, file, "dilations");
  shape.cutoffs = setting<std::vector<std::int64_t>>(config, file, "cutoffs");
  shape.weight_norm = setting<bool>(config, file, "weight_norm");
  shape.auxiliary_every = get("aux_every");
  try {
    shape.validate();
  } catch (const ConfigError& error) {
    throw DataError(error.fact(), file.path() + ": attribute config", "write the file again");
  }
  return shape;
}

// Refuses sizes that no file of this format holds before memory is allocated for them.
void refuse_large_case(const ParityFile& file, const TrellisShape& shape, std::int64_t lanes, std::int64_t window_steps) {
  constexpr double kMostElements = 1 << 28;
  const auto channels = static_cast<double>(shape.hidden), taps = static_cast<double>(shape.kernel);
  const auto widest = static_cast<double>(*std::max_element(shape.dilations.begin(), shape.dilations.end()));
  const double kernels = 4 * channels * taps * (channels + static_cast<double>(shape.embedding));
  const double words = static_cast<double>(shape.vocabulary) * static_cast<double>(shape.embedding + 1);
  const double rows = (static_cast<double>(window_steps) + (taps - 1) * widest) * static_cast<double>(lanes);
  const double states = 6 * channels * rows * static_cast<double>(shape.levels + 1);
  if (kernels + words + states <= kMostElements) return;
  throw DataError(fmt::format("a network of {:.2g} weights and states, at most {:.2g} are expected", kernels + words + states, kMostElements),
                  file.path() + ": attribute config", "parity cases are small");
}

OptimizerRule rule_of(const ParityFile& file, const json& optimizer) {
  OptimizerRule rule;
  const auto name = setting<std::string>(optimizer, file, "name");
  if (name != "adam" && name != "sgd") {
    throw ConfigError("this case needs optimizer '" + name + "', which this version does not have", file.path(), "leave it out");
  }
  rule.kind = name == "adam" ? OptimizerRule::Kind::adam : OptimizerRule::Kind::sgd;
  rule.weight_decay = setting<double>(optimizer, file, "weight_decay");
  rule.clip = setting<double>(optimizer, file, "clip");
  return rule;
}

// Reads tensors of a case, checked against the shapes that its config implies.
class CaseTensors {
 public:
  CaseTensors(const ParityFile& file, at::TensorOptions options) : file_(file), options_(options) {}

  at::Tensor read(const std::string& name, at::IntArrayRef shape) const {
    const at::Tensor values = file_.read(name);
    if (values.sizes() != shape) {
      throw DataError(fmt::format("the shape is [{}], expected [{}]", fmt::join(values.sizes(), ", "), fmt::join(shape, ", ")),
                      file_.path() + ": " + name, "write the file again");
    }
    return values.to(options_.dtype());
  }
  at::Tensor read_if_there(const std::string& name, at::IntArrayRef shape) const {
    return file_.contains(name) ? read(name, shape) : at::Tensor();
  }
  // [lanes, steps] to time-major rows
  at::Tensor tokens(const std::string& name, std::int64_t lanes, std::int64_t vocabulary) const {
    const at::Tensor values = file_.read(name);
    if (values.dim() != 2 || values.size(0) != lanes || values.size(1) < 1 || values.scalar_type() != at::kLong) {
      throw DataError("expected integers [lanes, steps]", file_.path() + ": " + name, "write the file again");
    }
    if (values.min().item<std::int64_t>() < 0 || values.max().item<std::int64_t>() >= vocabulary) {
      throw DataError(fmt::format("a token is outside [0, {})", vocabulary), file_.path() + ": " + name, "write the file again");
    }
    return values.t().contiguous().view(-1);
  }
  DropoutMasks masks(const std::string& step, const TrellisShape& shape, std::int64_t lanes) const {
    const std::string group = step + "/masks/";
    const std::int64_t auxiliary = shape.auxiliary_outputs();
    DropoutMasks masks;
    const at::Tensor rows = read_if_there(group + "embedding_rows", {shape.vocabulary, 1});
    if (rows.defined()) masks.embedding_rows = rows.view(-1);
    masks.input = read_if_there(group + "input", {lanes, shape.embedding});
    masks.hidden = read_if_there(group + "hidden", {lanes, shape.hidden});
    masks.outputs.push_back(read_if_there(group + "output", {lanes, shape.outputs}));
    const at::Tensor aux = read_if_there(group + "aux", {auxiliary, lanes, shape.outputs});
    for (std::int64_t n = 0; n < auxiliary; ++n) masks.outputs.push_back(aux.defined() ? aux[n].contiguous() : at::Tensor());
    const auto kernel = [&](const char* name, std::int64_t channels) {
      const at::Tensor mask = read_if_there(group + name, {4 * shape.hidden, channels, shape.kernel});
      return KernelDropout{.given = mask.defined() ? mask.permute({0, 2, 1}).contiguous() : mask, .rate = 0, .stream = {}};
    };
    masks.input_kernel = kernel("W1", shape.embedding);
    masks.hidden_kernel = kernel("W2", shape.hidden);
    return masks;
  }

 private:
  const ParityFile& file_;
  at::TensorOptions options_;
};

}  // namespace

double parity_error(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor a = actual.to(at::kDouble).reshape(-1), b = expected.to(at::kDouble).reshape(-1);
  if (a.numel() != b.numel()) return std::numeric_limits<double>::infinity();
  if (b.numel() == 0) return 0;
  const double difference = (a - b).abs().max().item<double>(), largest = b.abs().max().item<double>();
  const double error = largest == 0 ? difference : difference / largest;
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

double parity_limit(at::ScalarType type) { return type == at::kDouble ? 1e-9 : 1e-5; }

std::vector<ParityResult> replay_parity(const ParityFile& file, at::TensorOptions options) {
  refuse_unknown_cases(file);
  const json& config = file.config();
  const TrellisShape shape = shape_of(file);
  const auto lanes = setting<std::int64_t>(config, file, "batch"), steps = setting<std::int64_t>(config, file, "steps");
  const auto discard = setting<std::int64_t>(config, file, "discard");
  if (lanes < 1 || steps < 1 || discard < 0) {
    throw DataError(fmt::format("batch = {}, steps = {}, discard = {}: expected at least 1, 1 and 0", lanes, steps, discard),
                    file.path() + ": attribute config", "write the file again");
  }
  const double auxiliary_weight = setting<double>(config, file, "aux_weight");
  const json optimizer_config = setting<json>(config, file, "optimizer");
  const OptimizerRule rule = rule_of(file, optimizer_config);
  const CaseTensors tensors(file, options);
  std::int64_t max_steps = 1;
  for (std::int64_t step = 0; step < steps; ++step) {
    max_steps = std::max(max_steps, tensors.tokens(fmt::format("step{}/tokens", step), lanes, shape.vocabulary).numel() / lanes);
  }
  refuse_large_case(file, shape, lanes, max_steps);

  const ParameterLayout layout(shape);
  Parameters weights(layout, options), gradients(layout, options);
  for (const ParameterInfo& info : layout.parameters()) {
    const at::Tensor place = weights.published(info.name);
    place.copy_(tensors.read("params/" + info.name, place.sizes()));
  }
  for (const std::string& name : file.names("params")) {
    if (!layout.contains(name)) throw DataError("a parameter that this network does not have", file.path() + ": params/" + name, "write the file again");
  }
  Optimizer optimizer(rule, layout, options);
  History history{tensors.read("h0", {lanes, shape.hidden}), tensors.read("c0", {lanes, shape.hidden})};

  LanguageModel model(shape, auxiliary_weight, lanes, max_steps, Keep::gates, options);

  std::vector<ParityResult> results;
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::string group = fmt::format("step{}", step);
    const auto compare = [&](const std::string& name, const at::Tensor& actual) {
      results.push_back({static_cast<int>(step), name, parity_error(actual, file.read(group + "/" + name))});
    };
    const auto compare_number = [&](const std::string& name, double value) { compare(name, at::scalar_tensor(value, at::kDouble)); };
    WindowTokens window{.steps = 0, .discard = discard, .tokens = tensors.tokens(group + "/tokens", lanes, shape.vocabulary),
                        .targets = tensors.tokens(group + "/targets", lanes, shape.vocabulary)};
    window.steps = window.tokens.numel() / lanes;
    if (discard >= window.steps || window.targets.numel() != window.tokens.numel()) {
      throw DataError("tokens, targets and discard do not fit each other", file.path() + ": " + group, "write the file again");
    }
    const DropoutMasks masks = tensors.masks(group, shape, lanes);
    const double scored = static_cast<double>((window.steps - discard) * lanes);
    const LossSums sums = model.forward_backward(weights, window, masks, scored, history, gradients);
    LanguageModel::finish_gradients(weights, masks, gradients);
    const double norm = global_norm(gradients), factor = clipping_factor(norm, rule.clip);

    compare_number("loss", sums.loss / scored);
    compare_number("aux_loss", sums.auxiliary / scored);
    compare_number("total", (sums.loss + auxiliary_weight * sums.auxiliary) / scored);
    compare_number("grad_norm", norm);
    compare("h", history.hidden);
    compare("c", history.cell);
    for (const ParameterInfo& info : layout.parameters()) compare("grads/" + info.name, gradients.published(info.name) * factor);
    optimizer.update(weights, gradients, factor, setting<double>(optimizer_config, file, "lr"), step + 1);
    for (const ParameterInfo& info : layout.parameters()) compare("params/" + info.name, weights.published(info.name));
  }
  return results;
}

int parity_command(const std::vector<std::string>& arguments) {
  std::string dtype = "float64", device = "cpu";
  std::vector<std::string> files;
  bool quiet = false;
  CommandLine line("parity [flags] FILE...",
                   "Replays parity files: cases that an independent implementation of the network wrote, with every mask and\n"
                   "every number. Prints each quantity's error, max |a - b| / max |b|, and ends with 0 only if all are within\n"
                   "the limit (1e-9 in float64, 1e-5 in float32).");
  line.section("Flags")
      .add("dtype", "TYPE", "float64 or float32", dtype)
      .add("device", "DEVICE", "cpu", device)
      .add_switch("quiet", "one line a file: its largest error", quiet)
      .positional("FILE", "parity files", files);
  switch (line.parse(arguments)) {
    case CommandLine::Parsed::help: fmt::print("{}", line.help()); return 0;
    case CommandLine::Parsed::version: fmt::print("parity {}\n", kVersion); return 0;
    case CommandLine::Parsed::ready: break;
  }
  if (files.empty()) throw UsageError("no file is given", "command line", "parity FILE...; parity --help explains");
  if (dtype != "float64" && dtype != "float32") {
    throw UsageError("--dtype is '" + dtype + "'", "command line", "give float64 or float32");
  }
  if (device != "cpu") throw ConfigError("--device is '" + device + "', but this version computes on cpu only", "command line", "give cpu");
  const at::ScalarType type = dtype == "float64" ? at::kDouble : at::kFloat;
  const double limit = parity_limit(type);

  bool passed = true;
  for (const std::string& path : files) {
    const ParityFile file(path);
    ParityResult worst;
    for (const ParityResult& result : replay_parity(file, at::TensorOptions(type))) {
      const bool within = result.error <= limit;
      passed = passed && within;
      if (result.error >= worst.error) worst = result;
      if (!quiet) fmt::print("{} step {} {:<24} {:.2e}{}\n", path, result.step, result.quantity, result.error, within ? "" : "  ABOVE THE LIMIT");
    }
    fmt::print("{}: {} {}: largest error {:.2e} (step {}, {}), limit {:.0e}\n", path, dtype, worst.error <= limit ? "passed" : "FAILED",
               worst.error, worst.step, worst.quantity, limit);
  }
  return static_cast<int>(passed ? ExitCode::done : ExitCode::numeric_failure);
}

}  // namespace trellis
