// The yardstick for speed and memory: the training step of `trellis train`, for language modelling and for classifiers,
// written in plain LibTorch with autograd, fairly and at its best. Same model, same corpus reader, same configuration file,
// same initial values and dropout masks (so that its losses must be ours), one process, CPU, float32.
//
//   libtorch_peer --data data/wikitext-2 --config configs/wikitext2-small.ini [--measure 30] train.steps=60
//
// Its classifier computes every level at every step of a sequence, as plain code does, where ours leaves out what the last
// step does not depend on.
//
// Of what was tried, the fastest was kept. Speed of the others relative to it, medians of 3 interleaved runs in the
// WikiText-2 setting with 2 threads: conv1d on padded [lanes, channels, time] 0.92, one product a tap instead of one
// over concatenated taps 0.93. A sparse gradient of the embedding is as fast and takes more memory; torch::optim::Adam
// takes 11 ms instead of the 4 to 7 of the fused update, of about 270 for the step, and more memory.
//
// Prints "step N loss L" lines and, at the end, "tokens_per_second R" (classifier: sequences_per_second) over the last
// --measure steps and "peak_bytes B".
#include <fmt/core.h>
#include <malloc.h>
#include <torch/torch.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "corpus/corpus.h"
#include "corpus/sequence_corpus.h"
#include "data/sequence_batch_reader.h"
#include "data/window_reader.h"
#include "model/dropout.h"
#include "model/initialize.h"
#include "model/launch.h"
#include "report/memory.h"
#include "train/from_settings.h"
#include "train/normalised_input.h"

namespace {

using namespace trellis;
using torch::Tensor;

// The parameters that have gradients. Kernels lie as [4H, k, channels], the layout of the time-major product.
struct Weights {
  Tensor embedding, decoder_bias, cluster_weight, cluster_bias, linear_weight, linear_bias, bias, W1_v, W1_g, W2_v, W2_g;

  std::vector<Tensor> all() const {
    std::vector<Tensor> tensors;
    for (const Tensor& t :
         {embedding, decoder_bias, cluster_weight, cluster_bias, linear_weight, linear_bias, bias, W1_v, W1_g, W2_v, W2_g}) {
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
  return {.embedding = parameter("embedding"),
          .decoder_bias = parameter("decoder_bias"),
          .cluster_weight = parameter("cluster_weight"),
          .cluster_bias = parameter("cluster_bias"),
          .linear_weight = parameter("linear_weight"),
          .linear_bias = parameter("linear_bias"),
          .bias = parameter("bias"),
          .W1_v = parameter("W1" + v),
          .W1_g = parameter("W1_g"),
          .W2_v = parameter("W2" + v),
          .W2_g = parameter("W2_g")};
}

// The mask of a kernel's weight dropout, drawn by the kernel that `trellis train` draws with; undefined without dropout.
Tensor drawn_mask(const KernelDropout& dropout, const Tensor& v) {
  if (dropout.rate == 0) return {};
  Tensor mask = torch::empty(v.sizes());
  const auto scale = static_cast<float>(1 / (1 - dropout.rate));
  at::parallel_for(0, mask.numel(), kGrainElements, [&](std::int64_t begin, std::int64_t end) {
    cpu_kernels<float>().dropout_mask(mask.mutable_data_ptr<float>() + begin, dropout.stream, dropout_threshold(dropout.rate), scale,
                                      {begin, end}, nullptr);
  });
  mask.select(1, mask.size(1) - 1).fill_(1);  // the last tap is never dropped
  return mask;
}

// [4H, k, channels] -> [4H, k * channels], after dropout, normalised row by row.
Tensor kernel_of(const Tensor& v, const Tensor& g, const KernelDropout& dropout) {
  const Tensor mask = drawn_mask(dropout, v);
  const Tensor rows = (mask.defined() ? v * mask : v).flatten(1);
  return g.defined() ? rows * (g / rows.norm(2, 1)).unsqueeze(1) : rows;
}

// values [steps * lanes, C] times mask [lanes, C], the same in every step.
Tensor dropped(const Tensor& values, const Tensor& mask) {
  return mask.defined() ? (values.view({-1, mask.size(0), values.size(1)}) * mask).view({-1, values.size(1)}) : values;
}

// All levels over one window of `lanes` rows a step.
class Body {
 public:
  Body(const TrellisShape& shape, std::int64_t lanes) : shape_(shape), lanes_(lanes) {}

  struct Result {
    Tensor hidden, cell;          // of the last level, [rows, H]
    std::vector<Tensor> outputs;  // [rows, O] each, before their dropout
  };

  // x [rows, E], after its dropout; first_hidden, first_cell [lanes, H]: history.
  Result forward(const Weights& weights, const Tensor& x, const Tensor& first_hidden, const Tensor& first_cell,
                 const DropoutMasks& masks) const {
    const std::int64_t rows = x.size(0), H = shape_.hidden, O = shape_.outputs;
    const Tensor W1 = kernel_of(weights.W1_v, weights.W1_g, masks.input_kernel);
    const Tensor W2 = kernel_of(weights.W2_v, weights.W2_g, masks.hidden_kernel);
    const Tensor no_input = torch::zeros({lanes_, shape_.embedding});
    const Tensor masked_first = dropped(first_hidden, masks.hidden);

    std::map<std::int64_t, Tensor> injections;  // by dilation
    for (const std::int64_t dilation : shape_.dilations) {
      if (!injections.contains(dilation)) {
        injections[dilation] = torch::addmm(weights.bias, taps(x, no_input, dilation), W1.t());
      }
    }
    Tensor h = torch::zeros({rows, H}), c = torch::zeros({rows, H});
    Result result;
    result.outputs.resize(static_cast<std::size_t>(shape_.output_count()));
    for (std::int64_t level = 0; level < shape_.levels; ++level) {
      const std::int64_t dilation = shape_.dilation_of(level);
      const Tensor below = level > 0 ? dropped(h, masks.hidden) : h;
      const auto gates = torch::addmm(injections[dilation], taps(below, masked_first, dilation), W2.t()).chunk(4, 1);
      const Tensor previous = in_front(c, first_cell, dilation).narrow(0, 0, rows);
      c = (gates[3].sigmoid() * previous).addcmul_(gates[0].sigmoid(), gates[2].tanh());
      h = gates[1].sigmoid() * c.tanh();
      for (const std::int64_t number : shape_.outputs_of(level)) {
        result.outputs[static_cast<std::size_t>(number)] = h.narrow(1, H - O, O);
      }
    }
    result.hidden = h, result.cell = c;
    return result;
  }

 private:
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

  TrellisShape shape_;
  std::int64_t lanes_;
};

struct StepResult {
  Tensor total, loss;  // what is differentiated, and what is told: the final output's mean loss
};

class LanguageModelPeer {
 public:
  LanguageModelPeer(const TrellisShape& shape, const Settings& settings, Weights weights)
      : shape_(shape),
        auxiliary_weight_(settings.auxiliary.weight),
        lanes_(settings.train.lanes),
        weights_(std::move(weights)),
        body_(shape, lanes_),
        hidden_(torch::zeros({lanes_, shape.hidden})),
        cell_(torch::zeros({lanes_, shape.hidden})) {}

  // tokens, targets [steps * lanes], time-major.
  StepResult forward(const Tensor& tokens, const Tensor& targets, const DropoutMasks& masks) {
    Tensor x = torch::embedding(weights_.embedding, tokens);
    if (masks.embedding_rows.defined()) x = x * masks.embedding_rows.flatten().index_select(0, tokens).unsqueeze(1);
    Body::Result result = body_.forward(weights_, dropped(x, masks.input), hidden_, cell_, masks);
    for (std::size_t n = 0; n < result.outputs.size(); ++n) {
      result.outputs[n] = dropped(result.outputs[n], masks.outputs.empty() ? Tensor() : masks.outputs[n]);
    }
    const std::int64_t last = tokens.size(0) - lanes_;
    hidden_ = result.hidden.detach().narrow(0, last, lanes_).clone();
    cell_ = result.cell.detach().narrow(0, last, lanes_).clone();
    return loss(torch::cat(result.outputs, 0), targets);
  }

 private:
  // All outputs at once: hidden [outputs * rows, O]. A tail cluster sees only the rows whose word lies in it.
  StepResult loss(const Tensor& hidden, const Tensor& targets) {
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
  Body body_;
  Tensor hidden_, cell_;  // history
};

class ClassifierPeer {
 public:
  ClassifierPeer(const TrellisShape& shape, std::int64_t lanes, Weights weights)
      : weights_(std::move(weights)), body_(shape, lanes), no_history_(torch::zeros({lanes, shape.hidden})) {}

  StepResult forward(const LabelledSequences& batch, const DropoutMasks& masks) const {
    const Tensor x = masks.input.defined() ? batch.input * masks.input : batch.input;
    const Tensor output = body_.forward(weights_, x, no_history_, no_history_, masks).outputs[0];
    const Tensor last = output.narrow(0, output.size(0) - batch.lanes, batch.lanes);
    Tensor logits = torch::addmm(weights_.linear_bias, last, weights_.linear_weight.t());
    if (!masks.outputs.empty() && masks.outputs[0].defined()) logits = logits * masks.outputs[0];
    const Tensor loss = torch::cross_entropy_loss(logits, batch.labels);
    return {loss, loss.detach()};
  }

 private:
  Weights weights_;
  Body body_;
  Tensor no_history_;
};

// Clipping and SGD or Adam, the update fused over all parameters.
class Update {
 public:
  Update(std::vector<Tensor> parameters, const OptimizerSettings& settings) : parameters_(std::move(parameters)), settings_(settings) {
    if (settings_.name == OptimizerName::sgd) return;
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
    if (settings_.name == OptimizerName::sgd) {
      at::_fused_sgd_(parameters_, gradients, {}, settings_.weight_decay, 0, settings_.learning_rate, 0, false, false, true);
      return;
    }
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
  const bool fits = settings.train.precision == Precision::float32 && settings.train.discard == 0 && settings.train.steps > 0 &&
                    settings.train.device != DeviceChoice::cuda && settings.optimizer.averaging == Averaging::never &&
                    (settings.optimizer.name == OptimizerName::adam || settings.optimizer.name == OptimizerName::sgd) &&
                    model.groups == 0 && model.experts == 0 && model.injection_every == 1 && settings.penalty.activation == 0 &&
                    settings.penalty.slowness == 0 && settings.schedule.warmup == 0 && !settings.data.permute && !settings.data.shuffle;
  if (!fits) {
    throw ConfigError("the peer trains a language model with one softmax, or a classifier that reads steps and sequences as they are "
                      "stored, with a dense kernel and the input at every level, in float32 on a CPU with SGD or Adam at a constant rate, for "
                      "a number of steps, with history handed on and no penalties",
                      "settings", "leave the others at their defaults");
  }
}

// Runs step(number), which returns how much of the corpus it took and its result, and tells speed, losses and memory.
template <class Step>
void train_steps(const Settings& settings, std::int64_t measured, const Weights& weights, const char* unit, Step&& step) {
  Update update(weights.all(), settings.optimizer);
  std::int64_t units = 0;
  std::vector<at::Tensor> losses;
  auto start = std::chrono::steady_clock::now();
  for (std::int64_t n = 0; n < settings.train.steps; ++n) {
    if (n == settings.train.steps - measured) start = std::chrono::steady_clock::now(), units = 0;
    update.clear_gradients();
    const auto [taken, result] = step(n);
    result.total.backward();
    update.run();
    units += taken;
    losses.push_back(result.loss.detach());
    if (n == 0 && settings.log.every > 1) fmt::print("step 1 loss {:.6f}\n", losses.back().template item<float>());
    if ((n + 1) % settings.log.every == 0) {  // as our events: the mean over the steps since the one before; all steps score as much
      fmt::print("step {} loss {:.6f}\n", n + 1, at::stack(losses).mean().template item<float>());
      losses.clear();
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{}_per_second {:.2f}\n", unit, static_cast<double>(units) / seconds);
  fmt::print("peak_bytes {}\n", process_memory().peak_bytes.value_or(0));
}

using Taken = std::pair<std::int64_t, StepResult>;

void train_language_model(const std::string& data, const Settings& settings, std::int64_t measured) {
  const Corpus corpus = Corpus::open(data);
  const TrellisShape shape = shape_from(settings, corpus.vocabulary_size());
  const WindowPlan plan(corpus.tokens("train"), settings.train.lanes, settings.train.window, 0, WindowUse::training, "split 'train'");
  WindowReader reader(corpus.open_split("train"), plan, {0, settings.train.lanes});
  const Weights weights = initial_weights(shape, settings);
  LanguageModelPeer peer(shape, settings, weights);
  DropoutMasks masks;
  train_steps(settings, measured, weights, "tokens", [&](std::int64_t step) -> Taken {
    const WindowBatch* batch = reader.next();
    if (!batch) {
      reader.restart(0);
      batch = reader.next();
    }
    draw_masks(masks, dropout_from(settings), shape, settings.train.seed, static_cast<std::uint64_t>(step), {0, settings.train.lanes},
               torch::kFloat);
    return {batch->steps * batch->lanes, peer.forward(as_tensor(batch->tokens), as_tensor(batch->targets), masks)};
  });
}

void train_classifier(const std::string& data, const Settings& settings, std::int64_t measured) {
  const SequenceCorpus corpus = SequenceCorpus::open(data);
  const TrellisShape shape = shape_from(settings, 1);
  const SequenceBatches plan(corpus.sequences("train"), settings.train.lanes, "split 'train'");
  if (plan.sequences() % plan.lanes() != 0) {
    throw ConfigError("the peer's batches are all full, but train.lanes does not divide the sequences", "train.lanes",
                      "choose a divisor of " + std::to_string(plan.sequences()));
  }
  SequenceBatchReader reader(corpus.open_split("train"), plan, {0, settings.train.lanes});
  const NormalisedInput normalised(corpus.normalisation(), torch::kFloat);
  const Weights weights = initial_weights(shape, settings);
  const ClassifierPeer peer(shape, settings.train.lanes, weights);
  DropoutMasks masks;
  train_steps(settings, measured, weights, "sequences", [&](std::int64_t step) -> Taken {
    const SequenceBatch* batch = reader.next();
    if (!batch) {
      reader.restart(0);
      batch = reader.next();
    }
    draw_classifier_masks(masks, dropout_from(settings), shape, settings.train.seed, static_cast<std::uint64_t>(step),
                          {0, settings.train.lanes}, corpus.steps(), torch::kFloat);
    return {batch->lanes, peer.forward(normalised(*batch), masks)};
  });
}

void train(const std::string& data, const Settings& settings, std::int64_t measured) {
  require_comparable(settings);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);  // memory of one step serves the next: 1.01 times as fast as glibc's defaults
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (settings.train.threads > 0) at::set_num_threads(settings.train.threads);
  if (settings.model.task == TaskKind::classifier) {
    train_classifier(data, settings, measured);
  } else {
    train_language_model(data, settings, measured);
  }
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
