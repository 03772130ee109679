// How much faster a mixed group convolution is than the dense one of the same hidden size: the products with W2 alone
// (src/model/hidden_convolution.h), and all levels of a network with its dense W1 and the gates (src/model/level_stack.h).
// Random numbers, float32, one window of 16 lanes and 35 steps.
//
//   mixed_group_speed [--threads 1] [--pairs 15] [--groups 4] [--hidden 1024] [--embedding 256] [--levels 4]
//
// Dense and grouped work in turns in one process, the order changing from pair to pair; the figure is the median over pairs
// of the dense one's time over the grouped one's, and beside it the ratio of the fastest times of either, in which other work
// on the machine shows least. With two taps and G groups the grouped one has (2 G - 1) / (2 G^2) of the multiplications: at
// most 4.57 times the speed for 4 groups. Ends with 1 when any of the four medians is below 2.
//
// Several threads on cores that other work wants too slow the grouped one down more, as its threads wait for each other more
// often: set OMP_WAIT_POLICY=passive there, so that they sleep while they wait.
#include <fmt/core.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "model/effective_kernels.h"
#include "model/hidden_convolution.h"
#include "model/initialize.h"
#include "model/level_stack.h"

namespace {

using namespace trellis;

constexpr double kWanted = 2;
constexpr std::int64_t kLanes = 16, kSteps = 35, kRows = kLanes * kSteps;

struct Sizes {
  std::int64_t threads = 1, pairs = 15, groups = 4, hidden = 1'024, embedding = 256, levels = 4;
  TrellisShape shape(std::int64_t with_groups) const {
    TrellisShape shape;
    shape.levels = levels, shape.hidden = hidden, shape.outputs = shape.embedding = embedding;
    shape.vocabulary = 2, shape.groups = with_groups;  // words take no part
    shape.validate();
    return shape;
  }
};

// The products with W2 of one level, whose two taps read rows that lie a step apart, as in a level with dilation 1.
class Convolution {
 public:
  explicit Convolution(const TrellisShape& shape)
      : convolution_(shape),
        taps_(shape.kernel),
        kernel_(at::randn({4 * shape.hidden, shape.kernel, shape.block_channels()})),
        d_kernel_(at::zeros_like(kernel_)),
        hidden_(at::randn({kRows + (shape.kernel - 1) * kLanes, shape.hidden})),
        d_hidden_(at::zeros_like(hidden_)),
        gates_(at::zeros({kRows, 4 * shape.hidden})),
        d_gates_(at::randn({kRows, 4 * shape.hidden})) {}

  void forward() {
    for (std::int64_t tap = 0; tap < taps_; ++tap) {
      convolution_.forward(gates_, seen_by(tap, hidden_), kernel_, tap, tap == 0 ? Accumulate::overwrite : Accumulate::add);
    }
  }
  void backward() {
    for (std::int64_t tap = taps_ - 1; tap >= 0; --tap) {
      convolution_.backward_kernel(d_kernel_, d_gates_, seen_by(tap, hidden_), tap);
      convolution_.backward_hidden(seen_by(tap, d_hidden_), d_gates_, kernel_, tap, tap == taps_ - 1 ? Accumulate::overwrite : Accumulate::add);
    }
  }

 private:
  static at::Tensor seen_by(std::int64_t tap, const at::Tensor& rows) { return rows.narrow(0, tap * kLanes, kRows); }

  HiddenConvolution convolution_;
  std::int64_t taps_;
  at::Tensor kernel_, d_kernel_, hidden_, d_hidden_, gates_, d_gates_;
};

// All levels of a network over a window, the final output's gradient given.
class Levels {
 public:
  explicit Levels(const TrellisShape& shape)
      : weights_(ParameterLayout(shape), at::kFloat),
        gradients_(weights_.layout(), at::kFloat),
        stack_(shape, {0, shape.levels}, kLanes, kSteps, Keep::gates, at::kFloat),
        history_{at::rand({kLanes, shape.hidden}), at::rand({kLanes, shape.hidden})} {
    initialize(weights_, {}, 1);
    gradients_.flat().zero_();
    kernels_.compute(weights_, {});
    stack_.begin_window(kSteps, history_, {}, {});
    stack_.embedded({0, kSteps}).normal_();
    stack_.d_output(0).normal_();
  }

  void forward() {
    stack_.begin_window(kSteps, history_, {}, {});
    stack_.forward({0, kSteps}, kernels_.kernels());
  }
  void backward() { stack_.backward({0, kSteps}, kernels_.kernels(), EffectiveKernels::gradients_of(gradients_), {}, {}); }

 private:
  Parameters weights_, gradients_;
  EffectiveKernels kernels_;
  LevelStack stack_;
  History history_;
};

template <class F>
double seconds_of(F&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

// Times of dense and grouped by pair: of the forward pass, and of both passes together.
class Pairs {
 public:
  explicit Pairs(std::string name) : name_(std::move(name)) {}
  void add(double dense, double grouped) {
    dense_.push_back(dense), grouped_.push_back(grouped), ratios_.push_back(dense / grouped);
  }
  // Returns the median ratio.
  double print() const {
    const double median = quantile(ratios_, 0.5);
    fmt::print("{:34} {:8.2f} ms {:8.2f} ms {:7.2f} {:5.2f} to {:5.2f} {:8.2f}\n", name_, 1e3 * quantile(dense_, 0.5),
               1e3 * quantile(grouped_, 0.5), median, quantile(ratios_, 0), quantile(ratios_, 1), quantile(dense_, 0) / quantile(grouped_, 0));
    return median;
  }

 private:
  std::string name_;
  std::vector<double> dense_, grouped_, ratios_;
};

// Returns the lower one of the two median ratios.
template <class Part>
double measure(const std::string& name, const Sizes& sizes) {
  Part dense(sizes.shape(0)), grouped(sizes.shape(sizes.groups));
  Pairs forward(name + ", forward"), both(name + ", forward and backward");
  for (std::int64_t pair = -1; pair < sizes.pairs; ++pair) {  // the first one warms up
    double ahead[2], back[2];
    for (const bool first : {true, false}) {
      const bool of_grouped = first == (pair % 2 == 0);
      Part& part = of_grouped ? grouped : dense;
      ahead[of_grouped] = seconds_of([&] { part.forward(); });
      back[of_grouped] = seconds_of([&] { part.backward(); });
    }
    if (pair < 0) continue;
    forward.add(ahead[0], ahead[1]);
    both.add(ahead[0] + back[0], ahead[1] + back[1]);
  }
  const double of_forward = forward.print();
  return std::min(of_forward, both.print());
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  try {
    CommandLine line("mixed_group_speed [flags]", "Speed of the mixed group convolution against the dense one.");
    line.add("threads", "N", "CPU threads", sizes.threads, {1, 1'024})
        .add("pairs", "N", "pairs of timings", sizes.pairs, {1, 100'000})
        .add("groups", "G", "groups of the mixed group convolution", sizes.groups, {2, 1'000})
        .add("hidden", "H", "channels of h", sizes.hidden, {2, 100'000})
        .add("embedding", "E", "channels of the embedded input", sizes.embedding, {1, 100'000})
        .add("levels", "N", "levels of the network", sizes.levels, {2, 1'000});
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    at::set_num_threads(static_cast<int>(sizes.threads));
    fmt::print("{} groups, hidden {}, embedding {}, {} levels, {} x {} rows, {} threads, {} pairs\n", sizes.groups, sizes.hidden,
               sizes.embedding, sizes.levels, kLanes, kSteps, sizes.threads, sizes.pairs);
    fmt::print("{:34} {:>11} {:>11} {:>7} {:>14} {:>8}\n", "", "dense", "grouped", "ratio", "of all pairs", "fastest");
    const double convolution = measure<Convolution>("convolution", sizes), levels = measure<Levels>("all levels", sizes);
    return std::min(convolution, levels) >= kWanted ? 0 : 1;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
