// Where the time and the memory of one training step go: the parts of the step one by one, on random tokens in the
// setting of configs/wikitext2-small.ini, and beside them the matrix products that they cannot do without.
//
//   step_profile [--threads 2] [--steps 20]
//
// Times are the fastest of all steps, so that other work on the machine shows little.
#include <fmt/core.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "model/embedding.h"
#include "model/initialize.h"
#include "model/launch.h"
#include "model/level_stack.h"
#include "model/tied_softmax.h"
#include "optimizer/optimizer.h"
#include "report/memory.h"

namespace {

using namespace trellis;

constexpr std::int64_t kLanes = 16, kSteps = 32, kRows = kLanes * kSteps;

TrellisShape wikitext2_small() {
  TrellisShape shape;
  shape.levels = 16, shape.hidden = 256, shape.outputs = 128, shape.embedding = 128;
  shape.vocabulary = 33'278, shape.cutoffs = {2'800, 10'000}, shape.auxiliary_every = 8;
  return shape;
}

class Profile {
 public:
  template <class F>
  void time(const std::string& part, F&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!best_.contains(part)) order_.push_back(part), best_[part] = std::numeric_limits<double>::infinity();
    best_[part] = std::min(best_[part], seconds);
  }
  void print() const {
    double sum = 0;
    for (const std::string& part : order_) sum += best_.at(part);
    for (const std::string& part : order_) fmt::print("{:46} {:8.2f} ms {:5.1f} %\n", part, 1e3 * best_.at(part), 100 * best_.at(part) / sum);
    fmt::print("{:46} {:8.2f} ms, {:.0f} tokens/s\n", "sum", 1e3 * sum, static_cast<double>(kRows) / sum);
  }

 private:
  std::vector<std::string> order_;
  std::map<std::string, double> best_;
};

void print_memory(const char* after) {
  fmt::print("{:46} {:8.1f} MiB\n", after, static_cast<double>(process_memory().resident_bytes.value_or(0)) / (1 << 20));
}

// The fastest of several calls.
template <class F>
void print_product(const char* name, double count, double operations, F&& multiply_once) {
  double best = std::numeric_limits<double>::infinity();
  for (int n = 0; n < 20; ++n) {
    const auto start = std::chrono::steady_clock::now();
    multiply_once();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  fmt::print("{:46} {:8.2f} ms  {:6.1f} GFLOP/s\n", name, 1e3 * best * count, operations / best / 1e9);
}

// The products of one step at their own shapes, as often as the step has them.
void print_products(const TrellisShape& shape) {
  const std::int64_t H = shape.hidden, O = shape.outputs, heads = shape.cutoffs[0] + 2, outputs = shape.output_count();
  const at::Tensor x = at::randn({kRows + kLanes, H}), a = at::randn({kRows, 4 * H}), w = at::randn({4 * H, 2, H});
  const at::Tensor sums = at::zeros({4 * H, 2, H}), d_x = at::zeros({kRows, H}), out = at::zeros({kRows, 4 * H});
  const double tap = 2.0 * static_cast<double>(kRows * 4 * H * H), taps = static_cast<double>(shape.levels * 2 - 2);
  fmt::print("\nmatrix products alone, per step\n");
  print_product("levels, forward", taps, tap, [&] { multiply(out, x.narrow(0, 0, kRows), w.select(1, 0).t(), Accumulate::add); });
  print_product("levels, gradient of the input", taps, tap, [&] { multiply(d_x, a, w.select(1, 0), Accumulate::add); });
  print_product("levels, gradient of the kernel", taps, tap,
                [&] { multiply(sums.select(1, 0), a.t(), x.narrow(0, 0, kRows), Accumulate::add); });
  const at::Tensor h = at::randn({kRows, O}), table = at::randn({heads, O}), logits = at::randn({kRows, heads});
  const at::Tensor d_h = at::zeros({kRows, O}), d_table = at::zeros({heads, O});
  const double head = 2.0 * static_cast<double>(kRows * heads * O), times = static_cast<double>(outputs);
  print_product("head, logits", times, head, [&] { multiply(logits, h, table.t(), Accumulate::overwrite); });
  print_product("head, gradient of the outputs", times, head, [&] { multiply(d_h, logits, table, Accumulate::overwrite); });
  print_product("head, gradient of the embedding", times, head, [&] { multiply(d_table, logits.t(), h, Accumulate::add); });
}

void profile(std::int64_t steps) {
  const TrellisShape shape = wikitext2_small();
  const at::TensorOptions options = at::kFloat;
  print_memory("resident after start");
  Parameters weights(ParameterLayout(shape), options), gradients(weights.layout(), options);
  initialize(weights, {}, 1);
  print_memory("  and weights, gradients");
  const OptimizerRule rule{.clip = 0.25};
  Optimizer optimizer(rule, weights.layout(), options);
  print_memory("  and Adam's means");
  LevelStack stack(shape, {0, shape.levels}, kLanes, kSteps, Keep::gates, options);
  TiedSoftmax softmax(shape, kRows * shape.output_count(), VocabularyShare::whole(shape), options);
  EffectiveKernels effective;
  const History history{at::zeros({kLanes, shape.hidden}), at::zeros({kLanes, shape.hidden})};
  const ConvolutionKernels kernel_gradients = EffectiveKernels::gradients_of(gradients);
  const DropoutRates rates{.embedding = 0, .input = 0.1, .hidden = 0.1, .output = 0.1, .weight = 0};
  // word n with frequency about 1/n, as in text
  const auto zipf = [&] { return at::pow(static_cast<double>(shape.vocabulary), at::rand({kRows}, at::kDouble)).to(at::kLong) - 1; };

  Profile profile;
  DropoutMasks masks;
  for (std::int64_t step = 0; step < steps; ++step) {
    const at::Tensor tokens = zipf(), targets = zipf();
    profile.time("dropout masks", [&] { draw_masks(masks, rates, shape, 1, static_cast<std::uint64_t>(step), {0, kLanes}, options); });
    profile.time("clear the kernels' gradients", [&] {
      for (at::Tensor t : {kernel_gradients.input, kernel_gradients.hidden, kernel_gradients.bias}) t.zero_();
    });
    profile.time("weight normalisation", [&] { effective.compute(weights, masks); });
    stack.begin_window(kSteps, history, masks.hidden, masks.outputs);
    profile.time("embedding", [&] { embed(weights.view("embedding"), tokens, masks, kLanes, stack.embedded({0, kSteps})); });
    profile.time("levels, forward", [&] { stack.forward({0, kSteps}, effective.kernels()); });
    if (step == 0) print_memory("  and the levels' states and gates");
    std::vector<LossRows> rows;
    for (std::int64_t n = 0; n < shape.output_count(); ++n) {
      rows.push_back({.hidden = stack.output(n), .d_hidden = stack.d_output(n), .targets = targets, .scale = at::full({kRows}, (n == 0 ? 1.0 : 0.05) / kRows)});
    }
    profile.time("softmax, forward and backward", [&] { softmax.run(weights, rows, &gradients, Accumulate::overwrite); });
    if (step == 0) print_memory("  and the softmax");
    profile.time("levels, backward", [&] { stack.backward({0, kSteps}, effective.kernels(), kernel_gradients, {}, {}); });
    profile.time("embedding, backward", [&] { embed_backward(stack.d_embedded(), tokens, masks, kLanes, gradients.view("embedding")); });
    profile.time("weight normalisation, backward", [&] { EffectiveKernels::backward(weights, masks, gradients); });
    at::Tensor norm;
    profile.time("global norm", [&] { norm = global_norm(gradients); });
    profile.time("Adam", [&] { optimizer.update(weights, gradients, clipping_factor(norm, rule.clip), 0.002, step + 1); });
    if (step == 0) print_memory("  and everything else of a step");
  }
  fmt::print("\n");
  profile.print();
  print_products(shape);
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t threads = 2, steps = 20;
  try {
    CommandLine line("step_profile [flags]", "Time and memory of the parts of a training step.");
    line.add("threads", "N", "CPU threads", threads, {1, 1'024}).add("steps", "N", "steps to time", steps, {1, 100'000});
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    at::set_num_threads(static_cast<int>(threads));
    profile(steps);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
