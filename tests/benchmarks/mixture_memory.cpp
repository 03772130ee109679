// What the output layer of a training step, forward and backward, needs of memory: the mixture of softmaxes of
// src/model/mixture_of_softmaxes.h, and the same in plain LibTorch with autograd. Sizes of word-level Penn Treebank with 15
// experts and one window of 12 lanes and 70 steps, float32.
//
//   mixture_memory [--threads 2] [--experts 15] [--words 10000] [--lanes 12] [--steps 70]
//
// Each works in a process of its own, first ours, then the peer. The increase is that of the peak (VmHWM, begun anew) over
// what was resident with parameters, their gradients, the layer's input and the place for its gradient; it includes whatever
// the layer and the libraries under it allocate. The whole process is the peak from its start on. Both begin with the same
// numbers; that losses and gradients agree is printed too. Ends with 1 unless ours takes less than a quarter, by either
// figure, and they agree.
//
// The peer keeps no tensor that its backward pass does without: the logits go when their softmax is there, and the weighted
// sum over experts is a batched product instead of a product of their shape and a sum.
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "model/initialize.h"
#include "model/launch.h"
#include "model/output_layer.h"
#include "report/memory.h"

namespace {

using namespace trellis;
using torch::Tensor;

constexpr double kWanted = 0.25;                                  // most of the peer's memory
constexpr double kLossAgreement = 1e-5, kGradientAgreement = 1e-4;  // nats; relative to a tensor's largest element
constexpr const char* kParameters[] = {"embedding", "decoder_bias", "prior_weight", "prior_bias", "latent_weight", "latent_bias"};

struct Sizes {
  std::int64_t threads = 2, experts = 15, words = 10'000, lanes = 12, steps = 70;
  std::int64_t rows() const { return lanes * steps; }
  TrellisShape shape() const {
    TrellisShape shape;
    shape.hidden = shape.outputs = 480, shape.embedding = 280;
    shape.vocabulary = words, shape.experts = experts;
    return shape;
  }
};

// What both processes begin with.
struct Inputs {
  explicit Inputs(const Sizes& sizes)
      : weights(ParameterLayout(sizes.shape()), at::kFloat),
        gradients(weights.layout(), at::kFloat),
        hidden(at::empty({sizes.rows(), sizes.shape().outputs})),
        d_hidden(at::zeros_like(hidden)),
        mask(at::empty({sizes.lanes, sizes.experts * sizes.shape().embedding})),
        targets(at::empty({sizes.rows()}, at::kLong)) {
    at::Generator draws = at::make_generator<at::CPUGeneratorImpl>(1);
    initialize(weights, {.embedding_range = 0.5}, 1);  // words of unlike probability
    hidden.uniform_(-1, 1, draws);
    mask.bernoulli_(0.7, draws).div_(0.7);
    targets.random_(0, sizes.words, draws);
    gradients.flat().zero_();
  }
  Parameters weights, gradients;
  Tensor hidden, d_hidden, mask, targets;
};

// What a process reports, in memory that it shares with its parent; behind it lie the gradients in the order of kParameters
// and that of the hidden rows.
struct Report {
  std::int64_t baseline_bytes, increase_bytes, process_bytes;
  double loss, seconds;
};

std::int64_t value_of(const std::optional<std::int64_t>& bytes) {
  if (!bytes) throw InternalError("the kernel tells no VmRSS and VmHWM", "/proc/self/status", "run this on Linux");
  return *bytes;
}

// Runs step() and notes what it does to this process's memory. The step returns its mean loss.
template <class F>
void measure(Report& report, F&& step) {
  const std::int64_t before = value_of(process_memory().peak_bytes);
  std::ofstream reset("/proc/self/clear_refs");
  reset << "5" << std::flush;  // the peak begins anew at what is resident now
  if (!reset) throw InternalError("the kernel refuses to begin the peak anew", "/proc/self/clear_refs", "run this on Linux 4.0 or newer");
  report.baseline_bytes = value_of(process_memory().resident_bytes);
  const auto start = std::chrono::steady_clock::now();
  report.loss = step();
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const std::int64_t peak = value_of(process_memory().peak_bytes);
  report.increase_bytes = peak - report.baseline_bytes;
  report.process_bytes = std::max(before, peak);
}

using Gradients = std::vector<Tensor>;

Gradients ours(const Sizes& sizes, Inputs& in, Report& report) {
  measure(report, [&] {
    const auto layer = make_output_layer(sizes.shape(), sizes.rows(), VocabularyShare::whole(sizes.shape()), at::kFloat);
    const double rows = static_cast<double>(sizes.rows());
    const Tensor lane = at::arange(sizes.rows(), at::kLong).remainder(sizes.lanes);
    const Tensor losses = layer->run(in.weights, {{.hidden = in.hidden, .d_hidden = in.d_hidden, .targets = in.targets,
                                                   .scale = at::full({sizes.rows()}, 1 / rows), .latent_mask = in.mask, .latent_rows = lane}},
                                     &in.gradients, Accumulate::overwrite);
    return losses.sum().item<double>() / rows;
  });
  Gradients gradients;
  for (const char* const name : kParameters) gradients.push_back(in.gradients.view(name));
  gradients.push_back(in.d_hidden);
  return gradients;
}

Gradients peer(const Sizes& sizes, Inputs& in, Report& report) {
  std::vector<Tensor> leaves;
  for (const char* const name : kParameters) {
    leaves.push_back(in.weights.view(name).detach().set_requires_grad(true));
    leaves.back().mutable_grad() = in.gradients.view(name);
  }
  leaves.push_back(in.hidden.detach().set_requires_grad(true));
  leaves.back().mutable_grad() = in.d_hidden;
  const Tensor &embedding = leaves[0], &decoder_bias = leaves[1], &hidden = leaves[6];
  measure(report, [&] {
    const std::int64_t rows = sizes.rows(), K = sizes.experts, V = sizes.words, E = sizes.shape().embedding;
    const auto latents = [&] {
      const Tensor pre = torch::addmm(leaves[5], hidden, leaves[4].t());
      return (pre.view({sizes.steps, sizes.lanes, K * E}) * in.mask).tanh().view({rows * K, E});
    };
    const Tensor prior = torch::addmm(leaves[3], hidden, leaves[2].t()).softmax(1);
    const Tensor each = torch::addmm(decoder_bias, latents(), embedding.t()).softmax(1).view({rows, K, V});
    const Tensor loss = torch::nll_loss(torch::bmm(prior.unsqueeze(1), each).squeeze(1).log(), in.targets);
    loss.backward();
    return loss.item<double>();
  });
  Gradients gradients;
  for (const Tensor& leaf : leaves) gradients.push_back(leaf.grad());
  return gradients;
}

// Memory that a child shares with its parent: a Report and `elements` floats.
class SharedReport {
 public:
  explicit SharedReport(std::int64_t elements) : elements_(static_cast<std::size_t>(elements)) {
    void* const memory = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw InternalError("no memory to share with a process", "mmap", "free some memory");
    memory_ = static_cast<std::byte*>(memory);
  }
  SharedReport(const SharedReport&) = delete;
  SharedReport& operator=(const SharedReport&) = delete;
  ~SharedReport() { ::munmap(memory_, bytes()); }

  Report& report() { return *reinterpret_cast<Report*>(memory_); }
  std::span<float> gradients() { return {reinterpret_cast<float*>(memory_ + sizeof(Report)), elements_}; }

 private:
  std::size_t bytes() const { return sizeof(Report) + elements_ * sizeof(float); }
  std::byte* memory_;
  std::size_t elements_;
};

// Runs one of the two in a child process, before this one has started any thread.
template <class F>
void in_own_process(const Sizes& sizes, SharedReport& shared, F&& side) {
  const pid_t child = ::fork();
  if (child < 0) throw InternalError("no process can be started", "fork", "end other processes");
  if (child == 0) {
    int status = 1;
    try {
      at::set_num_threads(static_cast<int>(sizes.threads));
      Inputs inputs(sizes);
      const Gradients gradients = side(sizes, inputs, shared.report());
      float* to = shared.gradients().data();
      for (const Tensor& gradient : gradients) {  // after the measurement: these pages count too
        std::memcpy(to, gradient.contiguous().const_data_ptr<float>(), static_cast<std::size_t>(gradient.numel()) * sizeof(float));
        to += gradient.numel();
      }
      status = 0;
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}\n", error.what());
    }
    ::_exit(status);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) {
    throw InternalError("a measuring process failed", "fork", "see its message above; the peer needs several times rows x experts x words x 4 bytes");
  }
}

double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// Largest difference relative to the largest element, printed tensor by tensor; returns the worst.
double print_gradient_differences(const Sizes& sizes, std::span<const float> first, std::span<const float> second) {
  const ParameterLayout layout(sizes.shape());
  double worst = 0;
  std::size_t at = 0;
  const auto compare = [&](const std::string& name, std::int64_t count) {
    double difference = 0, largest = 0;
    for (std::size_t end = at + static_cast<std::size_t>(count); at < end; ++at) {
      difference = std::max(difference, std::abs(static_cast<double>(first[at]) - static_cast<double>(second[at])));
      largest = std::max(largest, std::abs(static_cast<double>(second[at])));
    }
    fmt::print("  gradient of {:14} largest {:.2e}, largest difference {:.2e}, relative {:.2e}\n", name, largest, difference, difference / largest);
    worst = std::max(worst, difference / largest);
  };
  for (const char* const name : kParameters) compare(name, layout.find(name).count);
  compare("outputs", sizes.rows() * sizes.shape().outputs);
  return worst;
}

int compare(const Sizes& sizes) {
  const ParameterLayout layout(sizes.shape());
  std::int64_t elements = sizes.rows() * sizes.shape().outputs;
  for (const char* const name : kParameters) elements += layout.find(name).count;
  SharedReport mine(elements), theirs(elements);
  in_own_process(sizes, mine, ours);
  in_own_process(sizes, theirs, peer);
  const Report &a = mine.report(), &b = theirs.report();
  const double increase = static_cast<double>(a.increase_bytes) / static_cast<double>(b.increase_bytes);
  const double process = static_cast<double>(a.process_bytes) / static_cast<double>(b.process_bytes);
  fmt::print("{} experts, {} words, {} x {} rows, {} threads\n", sizes.experts, sizes.words, sizes.lanes, sizes.steps, sizes.threads);
  fmt::print("{:32} {:>12} {:>12} {:>7}\n", "", "trellis", "peer", "ratio");
  fmt::print("{:32} {:8.1f} MiB {:8.1f} MiB\n", "resident before the layer", mebibytes(a.baseline_bytes), mebibytes(b.baseline_bytes));
  fmt::print("{:32} {:8.1f} MiB {:8.1f} MiB {:7.3f}\n", "increase of the peak", mebibytes(a.increase_bytes), mebibytes(b.increase_bytes), increase);
  fmt::print("{:32} {:8.1f} MiB {:8.1f} MiB {:7.3f}\n", "peak of the process", mebibytes(a.process_bytes), mebibytes(b.process_bytes), process);
  fmt::print("{:32} {:10.2f} s {:10.2f} s {:7.3f}\n", "time of this one step", a.seconds, b.seconds, a.seconds / b.seconds);
  fmt::print("{:32} {:12.7f} {:12.7f}  difference {:.1e} nats\n", "loss", a.loss, b.loss, std::abs(a.loss - b.loss));
  const double gradients = print_gradient_differences(sizes, mine.gradients(), theirs.gradients());
  const bool agree = std::abs(a.loss - b.loss) < kLossAgreement && gradients < kGradientAgreement;
  if (!agree) fmt::print("losses or gradients disagree\n");
  return agree && increase < kWanted && process < kWanted ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Sizes sizes;
  try {
    CommandLine line("mixture_memory [flags]", "Memory of the mixture of softmaxes against plain LibTorch autograd.");
    line.add("threads", "N", "CPU threads", sizes.threads, {1, 1'024})
        .add("experts", "N", "softmaxes", sizes.experts, {1, 1'000})
        .add("words", "N", "vocabulary", sizes.words, {2, 10'000'000})
        .add("lanes", "N", "lanes of the window", sizes.lanes, {1, 100'000})
        .add("steps", "N", "time steps of the window", sizes.steps, {1, 100'000});
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    return compare(sizes);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
