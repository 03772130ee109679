// How near a training step comes to the matrix products that it is made of, on one GPU or on a CPU: in turns in one run,
// LibTorch's products at the shapes of the levels and at a large square; the levels forward and backward, their effective
// kernels with them; and the whole step, on random words that follow Zipf's law: masks, embedding, levels, loss, norm, update. The
// step once as one of several that are queued one behind the other, and once waited for before the next: what queueing is worth
// (training queues one step ahead).
//
//   step_speed --config configs/wt103-scripts.ini --vocabulary 267735 --device cuda train.precision=bf16
//
// Prints a table: median milliseconds of a call, operations a second, and what share of the fastest product that is.
// Operations are those of the definition (predict/network_size.h), a tail cluster's for the words that lie in it, backward twice
// forward: what is computed again does not count. On a GPU also the most memory that LibTorch's allocator has handed out for steps.
#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "model/initialize.h"
#include "optimizer/optimizer.h"
#include "parallel/language_model.h"
#include "predict/network_size.h"
#include "train/compute_device.h"
#include "train/from_settings.h"
#include "trainer/run_numbers_from.h"

namespace {

using namespace trellis;

void wait_for(at::Device device) {
  if (device.is_cuda()) at::accelerator::synchronizeDevice(device.index());
}

constexpr double kMebibytes = 1.0 / (1 << 20);

// What is timed in turns.
struct Row {
  std::string name;
  double operations = 0;  // of a call
  int calls = 1;          // timed together
  std::function<void()> call;
  std::vector<double> seconds = {};

  double median() const {
    std::vector<double> sorted = seconds;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

Row product(std::int64_t m, std::int64_t k, std::int64_t n, bool transposed, at::TensorOptions options) {
  const at::Tensor a = transposed ? at::randn({k, m}, options).t() : at::randn({m, k}, options);
  const at::Tensor b = at::randn({n, k}, options).t();
  return {.name = fmt::format("product [{}x{}]{} [{}x{}]", m, k, transposed ? "'" : "", k, n),
          .operations = 2.0 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n),
          .calls = 20,
          .call = [a, b, out = at::empty({m, n}, options)]() mutable { at::mm_out(out, a, b); }};
}

// One rank's training, put together as train/step.h does, without a corpus.
class Training {
 public:
  Training(const Settings& settings, std::int64_t vocabulary, at::TensorOptions options)
      : settings_(settings),
        shape_(shape_from(settings, vocabulary)),
        options_(options),
        groups_(lone_mesh_groups()),
        model_(groups_, shape_, settings.train.lanes, settings.train.window,
               {.objective = objective_from(settings), .keep = keep_from(settings), .activations = activation_type_from(settings)}, options),
        rule_(optimizer_rule_from(settings)),
        weights_(model_.layout(), options),
        gradients_(model_.layout(), options),
        optimizer_(rule_, model_.layout(), options),
        history_(model_.zero_history()) {
    initialize(weights_, initial_values_from(settings), 1);
    // the word at rank r, from 1, has a frequency in proportion to 1 / (r + 1.7), as in predict/run_numbers.h
    constexpr double kShift = 2.2;
    const at::Tensor uniform = at::rand({steps() * settings.train.lanes + settings.train.lanes}, at::kDouble);
    words_ = (at::pow((static_cast<double>(vocabulary) + kShift) / kShift, uniform).mul_(kShift) - kShift).to(at::kLong).clamp_(0, vocabulary - 1);
  }

  const TrellisShape& shape() const { return shape_; }
  std::int64_t steps() const { return settings_.train.window; }
  std::int64_t rows() const { return steps() * settings_.train.lanes; }

  // Levels of their own, beside those of the step.
  void make_levels() {
    stack_.emplace(shape_, Range{0, shape_.levels}, settings_.train.lanes, steps(), keep_from(settings_), options_, activation_type_from(settings_));
    for (std::int64_t n = 0; n < shape_.output_count(); ++n) stack_->d_output(n).normal_(0, 1e-4);
    stack_->embedded({0, steps()}).normal_(0, 0.1);
  }

  void levels() {
    const ConvolutionKernels gradients = EffectiveKernels::gradients_of(gradients_);
    for (const at::Tensor& t : {gradients.input, gradients.hidden, gradients.bias}) t.zero_();
    kernels_.compute(weights_, masks_);
    stack_->begin_window(steps(), history_, masks_.hidden, masks_.outputs);
    stack_->forward({0, steps()}, kernels_.kernels());
    stack_->backward({0, steps()}, kernels_.kernels(), gradients, {}, {});
    EffectiveKernels::backward(weights_, masks_, gradients_);
  }

  void step() {
    draw_masks(masks_, dropout_from(settings_), shape_, 1, static_cast<std::uint64_t>(step_), {0, settings_.train.lanes}, options_);
    const WindowTokens window{.steps = steps(), .discard = settings_.train.discard, .tokens = words_.narrow(0, 0, rows()),
                              .targets = words_.narrow(0, settings_.train.lanes, rows())};
    model_.forward_backward(weights_, window, masks_, history_, gradients_);
    optimizer_.update(weights_, gradients_, clipping_factor(global_norm(gradients_), rule_.clip), 1e-4, ++step_);
  }

  // Of words as they are drawn: cluster by cluster.
  std::vector<double> shares() const {
    std::vector<std::int64_t> edges = {0};
    edges.insert(edges.end(), shape_.cutoffs.begin(), shape_.cutoffs.end());
    edges.push_back(shape_.vocabulary);
    std::vector<double> shares;
    const at::Tensor targets = words_.narrow(0, settings_.train.lanes, rows());
    for (std::size_t n = 0; n + 1 < edges.size(); ++n) {
      shares.push_back(targets.ge(edges[n]).logical_and(targets.lt(edges[n + 1])).to(at::kDouble).mean().item<double>());
    }
    return shares;
  }

 private:
  Settings settings_;
  TrellisShape shape_;
  at::TensorOptions options_;
  MeshGroups groups_;
  LanguageModel model_;
  OptimizerRule rule_;
  Parameters weights_, gradients_;
  Optimizer optimizer_;
  History history_;
  std::optional<LevelStack> stack_;
  EffectiveKernels kernels_{activation_type_from(settings_)};
  DropoutMasks masks_;
  at::Tensor words_;
  std::int64_t step_ = 0;
};

void measure(const Settings& settings, std::int64_t vocabulary, at::Device device, std::int64_t rounds) {
  set_product_precision(trains_with_tf32(settings));
  const at::TensorOptions options = tensor_options_from(settings, device);
  Training training(settings, vocabulary, options);
  const TrellisShape& shape = training.shape();
  const std::int64_t rows = training.rows(), H = shape.hidden;
  const ForwardFlops flops = forward_flops(shape, training.shares());
  const double tokens = static_cast<double>(rows);
  training.step();  // draws the masks that the levels take
  if (device.is_cuda()) at::accelerator::resetPeakStats(device.index());
  training.step();
  if (device.is_cuda()) {
    const auto stats = at::accelerator::getDeviceStats(device.index());
    fmt::print("a step's memory: at most {:.0f} MiB allocated, {:.0f} MiB reserved\n\n", kMebibytes * static_cast<double>(stats.allocated_bytes[0].peak),
               kMebibytes * static_cast<double>(stats.reserved_bytes[0].peak));
  }
  training.make_levels();
  std::vector<Row> table;
  {
    const at::TensorOptions activations = activation_options(options, activation_type_from(settings));
    // what one tap of one level multiplies, and the kernel's gradient over 16 levels
    table.push_back(product(rows, H, 4 * H, false, activations));
    table.push_back(product(rows, 4 * H, H, false, activations));
    table.push_back(product(4 * H, 16 * rows, H, true, activations));
    if (device.is_cuda()) table.push_back(product(8192, 8192, 8192, false, activations));
  }
  const std::size_t products = table.size();
  table.push_back({.name = "levels", .operations = kForwardAndBackward * tokens * (flops.levels + flops.injection), .call = [&] { training.levels(); }});
  const double of_step = kForwardAndBackward * tokens * flops.all();
  table.push_back({.name = "step", .operations = of_step, .calls = 8, .call = [&] { training.step(); }});
  table.push_back({.name = "step, waited for", .operations = of_step, .call = [&] { training.step(); }});
  for (std::int64_t round = -1; round < rounds; ++round) {
    for (Row& row : table) {
      wait_for(device);
      const auto start = std::chrono::steady_clock::now();
      for (int n = 0; n < row.calls; ++n) row.call();
      wait_for(device);
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (round >= 0) row.seconds.push_back(seconds / row.calls);
    }
  }
  double peak = 0;
  for (std::size_t n = 0; n < products; ++n) peak = std::max(peak, table[n].operations / table[n].median());
  fmt::print("{} rows of {} levels, {} channels, vocabulary {}, {}\n\n| | ms | TFLOP/s | of the fastest product |\n|---|---|---|---|\n", rows, shape.levels,
             H, vocabulary, device.str());
  for (const Row& row : table) {
    const double rate = row.operations / row.median();
    const auto [least, most] = std::minmax_element(row.seconds.begin(), row.seconds.end());
    fmt::print("| {} | {:.3f} ({:.3f} to {:.3f}) | {:.3f} | {:.1f} % |\n", row.name, 1e3 * row.median(), 1e3 * *least, 1e3 * *most, 1e-12 * rate, 100 * rate / peak);
  }
  const double levels = table[products].median(), step = table[products + 1].median();
  fmt::print("\n{:.0f} tokens/s in whole steps; of the levels' alone {:.1f} %\n", tokens / step, 100 * levels / step);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> config, words;
  std::string device = "cuda";
  std::int64_t vocabulary = 10'000, rounds = 7, threads = 2;
  try {
    CommandLine line("step_speed --config FILE [flags] [section.option=value...]", "A training step beside the matrix products it is made of.");
    line.add_repeated("config", "FILE", "settings in INI form", config)
        .add("vocabulary", "N", "words", vocabulary, {2, 1'000'000'000})
        .add("device", "cuda|cpu", "where", device)
        .add("rounds", "N", "times that each row is timed", rounds, {1, 1'000})
        .add("threads", "N", "CPU threads", threads, {1, 1'024})
        .positional("section.option=value", "settings that win over the file", words);
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    at::set_num_threads(static_cast<int>(threads));
    const LoadedSettings loaded = load_settings({config.begin(), config.end()}, words);
    measure(loaded.settings, vocabulary, device == "cpu" ? at::Device(at::kCPU) : first_gpu(), rounds);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
