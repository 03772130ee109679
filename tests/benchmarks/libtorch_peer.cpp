// The yardstick for speed and memory: the training step of `trellis train` for language modelling, written in plain
// LibTorch with autograd, fairly and at its best. Same model, same corpus reader, same configuration file, same initial
// values and dropout masks (so that its losses must be ours), one process, CPU, float32.
//
//   libtorch_peer --data data/wikitext-2 --config configs/wikitext2-small.ini [--measure 30] train.steps=60
//
// Of what was tried, the fastest was kept. Speed of the others relative to it, medians of 3 interleaved runs in the
// WikiText-2 setting with 2 threads: conv1d on padded [lanes, channels, time] 0.92, one product a tap instead of one
// over concatenated taps 0.93. A sparse gradient of the embedding is as fast and takes more memory; torch::optim::Adam
// takes 11 ms instead of the 4 to 7 of the fused update, of about 270 for the step, and more memory.
//
// Prints "step N loss L" lines and, at the end, "tokens_per_second R" over the last --measure steps and "peak_bytes B".
#include <fmt/core.h>
#include <malloc.h>
#include <torch/torch.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "corpus/corpus.h"
#include "data/window_reader.h"
#include "model/dropout.h"
#include "model/initialize.h"
#include "report/memory.h"
#include "train/from_settings.h"

namespace {

using namespace trellis;
using torch::Tensor;

// The parameters that have gradients. Kernels lie as [4H, k, channels], the layout of the time-major product.
struct Weights {
  Tensor embedding, decoder_bias, cluster_weight, cluster_bias, bias, W1_v, W1_g, W2_v, W2_g;

  std::vector<Tensor> all() const {
    std::vector<Tensor> tensors;
    for (const Tensor& t : {embedding, decoder_bias, cluster_weight, cluster_bias, bias, W1_v, W1_g, W2_v, W2_g}) {
      if (t.defined()) tensors.push_back(t);
    }
    return tensors;
  }
};

Weights initial_weights(const TrellisShape& shape, const Settings& settings) {
  Parameters initial(ParameterLayout(shape), at::kFloat);
  initialize(initial, initial_values_from(settings), settings.train.seed);
  const auto parameter = [&](const std::string& name) {
    const Tensor value = initial.view(name);
    return value.defined() ? value.clone().set_requires_grad(true) : value;
  };
  const std::string v = shape.weight_norm ? "_v" : "";
  return {parameter("embedding"), parameter("decoder_bias"), parameter("cluster_weight"), parameter("cluster_bias"),
          parameter("bias"),      parameter("W1" + v),       parameter("W1_g"),           parameter("W2" + v),
          parameter("W2_g")};
}

// [4H, k, channels] -> [4H, k * channels], normalised row by row.
Tensor kernel_of(const Tensor& v, const Tensor& g) {
  const Tensor rows = v.flatten(1);
  return g.defined() ? rows * (g / rows.norm(2, 1)).unsqueeze(1) : rows;
}

class Peer {
 public:
  Peer(const TrellisShape& shape, const Settings& settings, Weights weights)
      : shape_(shape),
        auxiliary_weight_(settings.auxiliary.weight),
        lanes_(settings.train.lanes),
        weights_(std::move(weights)),
        hidden_(torch::zeros({lanes_, shape.hidden})),
        cell_(torch::zeros({lanes_, shape.hidden})) {}

  struct Result {
    Tensor total, loss;
  };

  // tokens, targets [steps * lanes], time-major.
  Result forward(const Tensor& tokens, const Tensor& targets, const DropoutMasks& masks) {
    const std::int64_t rows = tokens.size(0), H = shape_.hidden, O = shape_.outputs;
    const Tensor x = dropped(torch::embedding(weights_.embedding, tokens), masks.input);
    const Tensor W1 = kernel_of(weights_.W1_v, weights_.W1_g), W2 = kernel_of(weights_.W2_v, weights_.W2_g);
    const Tensor no_input = torch::zeros({lanes_, shape_.embedding});
    const Tensor first_hidden = masks.hidden.defined() ? hidden_ * masks.hidden : hidden_;

    std::map<std::int64_t, Tensor> injections;  // by dilation
    for (const std::int64_t dilation : shape_.dilations) {
      if (!injections.contains(dilation)) {
        injections[dilation] = torch::addmm(weights_.bias, taps(x, no_input, dilation), W1.t());
      }
    }
    Tensor h = torch::zeros({rows, H}), c = torch::zeros({rows, H});
    std::vector<Tensor> outputs(static_cast<std::size_t>(shape_.output_count()));
    for (std::int64_t level = 0; level < shape_.levels; ++level) {
      const std::int64_t dilation = shape_.dilation_of(level);
      const Tensor below = level > 0 ? dropped(h, masks.hidden) : h;
      const auto gates = torch::addmm(injections[dilation], taps(below, first_hidden, dilation), W2.t()).chunk(4, 1);
      const Tensor previous = in_front(c, cell_, dilation).narrow(0, 0, rows);
      c = (gates[3].sigmoid() * previous).addcmul_(gates[0].sigmoid(), gates[2].tanh());
      h = gates[1].sigmoid() * c.tanh();
      for (const std::int64_t number : shape_.outputs_of(level)) {
        outputs[static_cast<std::size_t>(number)] = h.narrow(1, H - O, O);
      }
    }
    for (std::size_t n = 0; n < outputs.size(); ++n) {
      outputs[n] = dropped(outputs[n], masks.outputs.empty() ? Tensor() : masks.outputs[n]);
    }
    hidden_ = h.detach().narrow(0, rows - lanes_, lanes_).clone();
    cell_ = c.detach().narrow(0, rows - lanes_, lanes_).clone();
    return loss(torch::cat(outputs, 0), targets);
  }

 private:
  // values [rows, C] times mask [lanes, C], the same in every step.
  Tensor dropped(const Tensor& values, const Tensor& mask) const {
    return mask.defined() ? (values.view({-1, lanes_, values.size(1)}) * mask).view({-1, values.size(1)}) : values;
  }

  // Rows with `steps` copies of fill [lanes, C] in front of them.
  static Tensor in_front(const Tensor& values, const Tensor& fill, std::int64_t steps) {
    return torch::cat({steps == 1 ? fill : fill.repeat({steps, 1}), values}, 0);
  }

  // What the convolution multiplies at each step: the values at all taps, side by side, [rows, k * C].
  Tensor taps(const Tensor& values, const Tensor& fill, std::int64_t dilation) const {
    const Tensor all = in_front(values, fill, (shape_.kernel - 1) * dilation);
    std::vector<Tensor> columns;
    for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
      columns.push_back(all.narrow(0, tap * dilation * lanes_, values.size(0)));
    }
    return torch::cat(columns, 1);
  }

  // All outputs at once: hidden [outputs * rows, O]. A tail cluster sees only the rows whose word lies in it.
  Result loss(const Tensor& hidden, const Tensor& targets) {
    const std::int64_t rows = targets.size(0), outputs = shape_.output_count();
    const Tensor words = targets.repeat({outputs});
    const auto sum_by_output = [&](const Tensor& nll) { return nll.view({outputs, -1}).sum(1); };
    Tensor sums;
    if (shape_.cutoffs.empty()) {
      const Tensor logits = torch::addmm(weights_.decoder_bias, hidden, weights_.embedding.t());
      sums = sum_by_output(torch::cross_entropy_loss(logits, words, {}, at::Reduction::None));
    } else {
      std::vector<std::int64_t> sizes{shape_.cutoffs[0]};
      for (std::size_t n = 0; n < shape_.cutoffs.size(); ++n) {
        sizes.push_back((n + 1 < shape_.cutoffs.size() ? shape_.cutoffs[n + 1] : shape_.vocabulary) - shape_.cutoffs[n]);
      }
      // one split, whose backward is one concatenation; slices would each fill a gradient of the whole table
      const auto tables = weights_.embedding.split_with_sizes(sizes, 0);
      const auto biases = weights_.decoder_bias.split_with_sizes(sizes, 0);
      Tensor head_words = targets.clone();
      std::vector<Tensor> members;
      std::int64_t first = shape_.cutoffs[0];
      for (std::size_t n = 1; n < sizes.size(); ++n) {
        const Tensor inside = (targets >= first).logical_and_(targets < first + sizes[n]);
        members.push_back(inside.nonzero().squeeze(1));
        head_words.index_fill_(0, members.back(), shape_.cutoffs[0] + static_cast<std::int64_t>(n) - 1);
        first += sizes[n];
      }
      const Tensor head = torch::addmm(torch::cat({biases[0], weights_.cluster_bias}), hidden,
                                       torch::cat({tables[0], weights_.cluster_weight}).t());
      sums = sum_by_output(torch::cross_entropy_loss(head, head_words.repeat({outputs}), {}, at::Reduction::None));
      first = shape_.cutoffs[0];
      for (std::size_t n = 1; n < sizes.size(); ++n) {
        const Tensor& member = members[n - 1];
        if (member.size(0) > 0) {
          const Tensor tail_rows = (torch::arange(outputs).unsqueeze(1) * rows + member).flatten();
          const Tensor tail = torch::addmm(biases[n], hidden.index_select(0, tail_rows), tables[n].t());
          const Tensor tail_words = (targets.index_select(0, member) - first).repeat({outputs});
          sums = sums + sum_by_output(torch::cross_entropy_loss(tail, tail_words, {}, at::Reduction::None));
        }
        first += sizes[n];
      }
    }
    const Tensor means = sums / static_cast<double>(rows);
    Tensor total = means[0];
    if (outputs > 1) total = total + auxiliary_weight_ * means.narrow(0, 1, outputs - 1).sum();
    return {total, means[0].detach()};
  }

  TrellisShape shape_;
  double auxiliary_weight_;
  std::int64_t lanes_;
  Weights weights_;
  Tensor hidden_, cell_;  // history
};

// Clipping and Adam, the update fused over all parameters.
class Update {
 public:
  Update(std::vector<Tensor> parameters, const OptimizerSettings& settings) : parameters_(std::move(parameters)), settings_(settings) {
    for (const Tensor& parameter : parameters_) {
      means_.push_back(torch::zeros_like(parameter));
      variances_.push_back(torch::zeros_like(parameter));
      steps_.push_back(torch::zeros({}));
    }
  }

  void clear_gradients() {
    for (const Tensor& parameter : parameters_) parameter.mutable_grad().reset();
  }

  void run() {
    if (settings_.clip > 0) torch::nn::utils::clip_grad_norm_(parameters_, settings_.clip);
    const torch::NoGradGuard no_gradients;
    std::vector<Tensor> gradients;
    for (const Tensor& parameter : parameters_) gradients.push_back(parameter.grad());
    for (const Tensor& step : steps_) step.add_(1);
    at::_fused_adam_(parameters_, gradients, means_, variances_, {}, steps_, settings_.learning_rate, settings_.beta1, settings_.beta2,
                     settings_.weight_decay, settings_.epsilon, false, false);
  }

 private:
  std::vector<Tensor> parameters_, means_, variances_, steps_;
  OptimizerSettings settings_;
};

Tensor as_tensor(const std::vector<std::int64_t>& ids) {
  return torch::from_blob(const_cast<std::int64_t*>(ids.data()), {static_cast<std::int64_t>(ids.size())}, torch::kLong);
}

// What this program has no code for must not be asked of it.
void require_comparable(const Settings& settings) {
  const ModelSettings& model = settings.model;
  const bool fits = settings.train.precision == Precision::float32 && settings.train.discard == 0 && settings.dropout.embedding == 0 &&
                    settings.dropout.weight == 0 && settings.optimizer.name == OptimizerName::adam && settings.train.steps > 0 &&
                    settings.train.device != DeviceChoice::cuda && model.task == TaskKind::language_model && model.groups == 0 &&
                    model.experts == 0 && model.injection_every == 1 && settings.penalty.activation == 0 &&
                    settings.penalty.slowness == 0 && settings.schedule.warmup == 0;
  if (!fits) {
    throw ConfigError("the peer trains a language model with a dense kernel, one softmax and the input at every level, in float32 on a "
                      "CPU with Adam at a constant rate, for a number of steps, with history handed on, no penalties and no dropout of "
                      "words or weights",
                      "settings", "leave the others at their defaults");
  }
}

void train(const std::string& data, const Settings& settings, std::int64_t measured) {
  require_comparable(settings);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // memory of one step serves the next: 1.01 times as fast as glibc's defaults
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (settings.train.threads > 0) at::set_num_threads(settings.train.threads);
  const Corpus corpus = Corpus::open(data);
  const TrellisShape shape = shape_from(settings, corpus.vocabulary_size());
  const WindowPlan plan(corpus.tokens("train"), settings.train.lanes, settings.train.window, 0, WindowUse::training, "split 'train'");
  WindowReader reader(corpus.open_split("train"), plan, {0, settings.train.lanes});
  const Weights weights = initial_weights(shape, settings);
  Peer peer(shape, settings, weights);
  Update update(weights.all(), settings.optimizer);

  DropoutMasks masks;
  std::int64_t tokens = 0;
  auto start = std::chrono::steady_clock::now();
  for (std::int64_t step = 0; step < settings.train.steps; ++step) {
    if (step == settings.train.steps - measured) start = std::chrono::steady_clock::now(), tokens = 0;
    const WindowBatch* batch = reader.next();
    if (!batch) {
      reader.restart(0);
      batch = reader.next();
    }
    draw_masks(masks, dropout_from(settings), shape, settings.train.seed, static_cast<std::uint64_t>(step), {0, settings.train.lanes},
               torch::kFloat);
    update.clear_gradients();
    const Peer::Result result = peer.forward(as_tensor(batch->tokens), as_tensor(batch->targets), masks);
    result.total.backward();
    update.run();
    tokens += batch->steps * batch->lanes;
    if (step == 0 || (step + 1) % settings.log.every == 0) fmt::print("step {} loss {:.6f}\n", step + 1, result.loss.item<float>());
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("tokens_per_second {:.1f}\n", static_cast<double>(tokens) / seconds);
  fmt::print("peak_bytes {}\n", process_memory().peak_bytes.value_or(0));
}

}  // namespace

int main(int argc, char** argv) {
  std::string data;
  std::vector<std::string> config;
  std::int64_t measured = 30;
  std::vector<std::string> words;
  try {
    CommandLine line("libtorch_peer --data DIR [--config FILE] [section.option=value ...]",
                     "The training step in plain LibTorch autograd.");
    line.add("data", "DIR", "corpus directory", data)
        .add_repeated("config", "FILE", "settings", config)
        .add("measure", "N", "last steps that the speed is taken over", measured, {1, 1'000'000})
        .positional("section.option=value", "settings that win over the file", words);
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    train(data, load_settings({config.begin(), config.end()}, words).settings, measured);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
