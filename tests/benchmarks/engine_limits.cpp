// What this machine can do, and how near the kernels of src/kernels come to it. One JSON object a line, for
// tests/benchmarks/engine, which makes a table of them.
//
//   engine_limits --part peak|kernels [--threads 2] [--calls 15] [--precision float32|bf16]
//
// peak: {"gemm", "precision", "threads", "gflops"}, the matrix product of LibTorch at the shapes of a network's body and at
// large squares, median of --calls calls.
// kernels: {"bandwidth", "threads", "gbytes_per_second"}, copy and triad as in STREAM (McCalpin 1995), and an update in place:
// bytes that the program asks for, in plain loops over arrays far larger than the caches. Copy and triad are slower, since the
// processor fetches what they overwrite. Then {"kernel", "threads", "gbytes_per_second", "of_copy", "of_best"}: a kernel's
// necessary traffic (each operand read or written once) by the time of the median call, and its share of the copy and of the
// fastest of the three. Operands rotate over sets that together exceed the caches, as levels of a network do. Kernels that
// compute much for a byte (drawing masks) stay below by nature, and so do those with little to do, as the embedding's.
#include <fmt/core.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "model/launch.h"

namespace {

using namespace trellis;

constexpr std::int64_t kBeyondCaches = std::int64_t{192} << 20;  // bytes that all sets of operands have together
constexpr std::int64_t kLanes = 8, kRows = kLanes * 55, kHidden = 1'000, kEmbedding = 400, kVocabulary = 10'000;  // settings/ptb.ini

// Median seconds of a call, after two calls that nobody counts.
double median_seconds(std::int64_t calls, const std::function<void(std::int64_t)>& work) {
  std::vector<double> seconds;
  for (std::int64_t call = -2; call < calls; ++call) {
    const auto start = std::chrono::steady_clock::now();
    work(call + 2);
    if (call >= 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

void print_peaks(std::int64_t threads, std::int64_t calls) {
  struct Shape {
    std::int64_t m, k, n;
  };
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const Shape s : {Shape{kRows, kHidden, 4 * kHidden}, Shape{kRows, 2 * kHidden, 4 * kHidden}, Shape{2'048, 2'048, 2'048}}) {
      const at::Tensor a = at::randn({s.m, s.k}).to(type), b = at::randn({s.k, s.n}).to(type);
      at::Tensor out = at::empty({s.m, s.n}, type);
      const double seconds = median_seconds(calls, [&](std::int64_t) { at::mm_out(out, a, b); });
      fmt::print("{{\"gemm\": \"{}x{} {}x{}\", \"precision\": \"{}\", \"threads\": {}, \"gflops\": {:.1f}}}\n", s.m, s.k, s.k, s.n,
                 type == at::kFloat ? "float32" : "bf16", threads, 2e-9 * static_cast<double>(s.m * s.k * s.n) / seconds);
    }
  }
}

struct Bandwidths {
  double copy = 0, best = 0;  // GB/s
};

Bandwidths print_bandwidths(std::int64_t threads, std::int64_t calls) {
  const std::int64_t n = kBeyondCaches / 8;
  const at::Tensor x = at::ones({n}), y = at::ones({n}), z = at::zeros({n});
  const float *const a = x.const_data_ptr<float>(), *const b = y.const_data_ptr<float>();
  float* const out = z.mutable_data_ptr<float>();
  const auto report = [&](const char* name, int operands, const std::function<void(std::int64_t, std::int64_t)>& part) {
    const double seconds = median_seconds(calls, [&](std::int64_t) { at::parallel_for(0, n, kGrainElements, part); });
    const double rate = 1e-9 * static_cast<double>(operands * 4 * n) / seconds;
    fmt::print("{{\"bandwidth\": \"{}\", \"threads\": {}, \"gbytes_per_second\": {:.2f}}}\n", name, threads, rate);
    return rate;
  };
  const double copy = report("copy", 2, [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) out[i] = a[i];
  });
  const double triad = report("triad", 3, [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) out[i] = a[i] + 0.5F * b[i];
  });
  const double update = report("update in place", 3, [&](std::int64_t begin, std::int64_t end) {
#pragma omp simd
    for (std::int64_t i = begin; i < end; ++i) out[i] += 0.5F * a[i];
  });
  return {.copy = copy, .best = std::max({copy, triad, update})};
}

// Tensors of one kind, a set for each call in turn.
class Sets {
 public:
  // bytes: of the operands of one call, all tensors together.
  explicit Sets(std::int64_t bytes) : count_(std::clamp<std::int64_t>(kBeyondCaches / bytes, 1, 64)) {}
  std::vector<at::Tensor> tensors(at::IntArrayRef sizes, at::ScalarType type) const {
    std::vector<at::Tensor> all;
    for (std::int64_t n = 0; n < count_; ++n) all.push_back(at::rand(sizes, at::kFloat).mul_(0.5).add_(0.25).to(type));
    return all;
  }
  std::size_t of(std::int64_t call) const { return static_cast<std::size_t>(call % count_); }

 private:
  std::int64_t count_;
};

// Every kernel of the table for activations of type A.
template <class A>
class KernelTimes {
 public:
  using T = Compute<A>;
  KernelTimes(std::int64_t threads, std::int64_t calls, Bandwidths memory) : threads_(threads), calls_(calls), memory_(memory) {}

  void run() const {
    gates();
    effective_kernels();
    embedding();
    cross_entropy();
    updates();
    masks();
  }

 private:
  static constexpr at::ScalarType kActivations = std::is_same_v<A, BFloat16> ? at::kBFloat16 : at::kFloat;
  static constexpr std::int64_t a_ = sizeof(A), t_ = sizeof(T);

  const KernelTable<A>& kernels() const { return cpu_kernels<A>(); }

  void report(const char* name, std::int64_t bytes, const std::function<void(std::int64_t)>& work) const {
    const double rate = 1e-9 * static_cast<double>(bytes) / median_seconds(calls_, work);
    fmt::print("{{\"kernel\": \"{}\", \"threads\": {}, \"gbytes_per_second\": {:.2f}, \"of_copy\": {:.3f}, \"of_best\": {:.3f}}}\n", name,
               threads_, rate, rate / memory_.copy, rate / memory_.best);
  }

  void gates() const {
    const std::int64_t H = kHidden, elements = kRows * H;
    const Sets sets(elements * (9 * a_ + 8 * t_));
    const auto pre = sets.tensors({kRows, 4 * H}, kActivations), injection = sets.tensors({kRows, 4 * H}, kActivations);
    const auto hidden = sets.tensors({kRows, H}, kActivations);
    const auto below = sets.tensors({kRows, H}, at::kFloat), cell = sets.tensors({kRows, H}, at::kFloat);
    const at::Tensor bias = at::zeros({4 * H}), mask = at::ones({kLanes, H});
    report("gates_forward", elements * (13 * a_ + 2 * t_), [&](std::int64_t call) {
      const std::size_t n = sets.of(call);
      GatesForward<A> args;
      args.channels = H, args.lanes = kLanes;
      args.gates = mutable_data<A>(pre[n]), args.injection = const_data<A>(injection[n]), args.bias = const_data<T>(bias);
      args.previous_cell = const_data<T>(below[n]), args.hidden_mask = const_data<T>(mask);
      args.cell = mutable_data<T>(cell[n]), args.hidden = mutable_data<A>(hidden[n]);
      launch(at::kCPU, kernels().gates_forward, args, {0, kRows}, grain_for(H));
    });
    const auto d_cell = sets.tensors({kRows, H}, at::kFloat), d_below = sets.tensors({kRows, H}, at::kFloat);
    const at::Tensor d_injection = at::zeros({kRows, 4 * H});  // one for all levels, as in training
    report("gates_backward", elements * (9 * a_ + 12 * t_), [&](std::int64_t call) {
      const std::size_t n = sets.of(call);
      GatesBackward<A> args;
      args.channels = H, args.lanes = kLanes;
      args.gates = mutable_data<A>(pre[n]), args.cell = const_data<T>(cell[n]), args.previous_cell = const_data<T>(below[n]);
      args.hidden_mask = const_data<T>(mask), args.d_hidden = const_data<A>(hidden[n]), args.d_cell = const_data<T>(d_cell[n]);
      args.d_previous_cell = mutable_data<T>(d_below[n]), args.d_injection = mutable_data<T>(d_injection);
      args.add_to_injection = true;
      launch(at::kCPU, kernels().gates_backward, args, {0, kRows}, grain_for(H));
    });
  }

  void effective_kernels() const {
    const std::int64_t rows = 4 * kHidden, taps = 2, elements = rows * taps * kHidden;
    const Sets sets(elements * (t_ + a_));
    const auto direction = sets.tensors({rows, taps, kHidden}, at::kFloat);
    const auto kernel = sets.tensors({rows, taps, kHidden}, kActivations);
    const auto d_kernel = sets.tensors({rows, taps, kHidden}, at::kFloat);
    const at::Tensor gain = at::ones({rows}), d_gain = at::zeros({rows});
    for (const double dropout : {0.0, 0.5}) {
      KernelMask<T> mask;
      mask.threshold = dropout_threshold(dropout), mask.scale = static_cast<T>(1 / (1 - dropout));
      const std::string suffix = dropout > 0 ? " with weight dropout" : "";
      report(("effective_kernel_forward" + suffix).c_str(), elements * (t_ + a_), [&](std::int64_t call) {
        const std::size_t n = sets.of(call);
        EffectiveKernelForward<A> args;
        args.taps = taps, args.channels = kHidden, args.mask = mask;
        args.direction = const_data<T>(direction[n]), args.gain = const_data<T>(gain), args.kernel = mutable_data<A>(kernel[n]);
        launch(at::kCPU, kernels().effective_kernel_forward, args, {0, rows}, grain_for(taps * kHidden));
      });
      report(("effective_kernel_backward" + suffix).c_str(), elements * 3 * t_, [&](std::int64_t call) {
        const std::size_t n = sets.of(call);
        EffectiveKernelBackward<T> args;
        args.taps = taps, args.channels = kHidden, args.mask = mask;
        args.direction = const_data<T>(direction[n]), args.gain = const_data<T>(gain);
        args.d_kernel = mutable_data<T>(d_kernel[n]), args.d_gain = mutable_data<T>(d_gain);
        launch(at::kCPU, kernels().effective_kernel_backward, args, {0, rows}, grain_for(taps * kHidden));
      });
    }
  }

  void embedding() const {
    const std::int64_t elements = kRows * kEmbedding;
    const Sets sets(kVocabulary * kEmbedding * t_);
    const auto table = sets.tensors({kVocabulary, kEmbedding}, at::kFloat);
    const auto values = sets.tensors({kRows, kEmbedding}, kActivations);
    const at::Tensor tokens = at::randint(kVocabulary, {kRows}, at::kLong);
    const at::Tensor words = at::ones({kVocabulary}), input = at::ones({kLanes, kEmbedding});
    report("embedding_forward", elements * (t_ + a_), [&](std::int64_t call) {
      const std::size_t n = sets.of(call);
      EmbeddingForward<A> args;
      args.channels = kEmbedding, args.lanes = kLanes, args.tokens = const_data<std::int64_t>(tokens);
      args.table = const_data<T>(table[n]), args.word_mask = const_data<T>(words), args.input_mask = const_data<T>(input);
      args.values = mutable_data<A>(values[n]);
      launch(at::kCPU, kernels().embedding_forward, args, {0, kRows}, grain_for(kEmbedding));
    });
    report("embedding_backward", elements * (2 * t_ + a_), [&](std::int64_t call) {
      const std::size_t n = sets.of(call);
      EmbeddingBackward<A> args;
      args.channels = kEmbedding, args.lanes = kLanes, args.rows = kRows, args.tokens = const_data<std::int64_t>(tokens);
      args.word_mask = const_data<T>(words), args.input_mask = const_data<T>(input);
      args.d_values = const_data<A>(values[n]), args.d_table = mutable_data<T>(table[n]);
      launch(at::kCPU, kernels().embedding_backward, args, {0, kEmbedding}, grain_for(kRows));
    });
  }

  void cross_entropy() const {
    const Sets sets(kRows * kVocabulary * t_);
    const auto logits = sets.tensors({kRows, kVocabulary}, at::kFloat);
    const at::Tensor targets = at::randint(kVocabulary, {kRows}, at::kLong), loss = at::zeros({kRows}, at::kDouble);
    const at::Tensor scale = at::full({kRows}, 1.0 / kRows, at::kFloat);
    report("cross_entropy", kRows * kVocabulary * 2 * t_, [&](std::int64_t call) {
      CrossEntropy<T> args;
      args.classes = args.stride = kVocabulary, args.logits = mutable_data<T>(logits[sets.of(call)]);
      args.targets = const_data<std::int64_t>(targets), args.loss = mutable_data<double>(loss), args.scale = const_data<T>(scale);
      launch(at::kCPU, kernels().cross_entropy, args, {0, kRows}, grain_for(kVocabulary));
    });
  }

  void updates() const {
    const std::int64_t n = kBeyondCaches / (4 * t_);
    const at::Tensor weights = at::rand({n}), gradient = at::rand({n}), mean = at::rand({n}), variance = at::rand({n});
    const double whole = 1;
    SgdUpdate<T> sgd;
    sgd.gradient_scale = &whole, sgd.weights = mutable_data<T>(weights), sgd.gradient = const_data<T>(gradient), sgd.learning_rate = T(1e-3);
    report("sgd_update", n * 3 * t_, [&](std::int64_t) { launch(at::kCPU, kernels().sgd_update, sgd, {0, n}, kGrainElements); });
    AdamUpdate<T> adam;
    adam.gradient_scale = &whole, adam.weights = sgd.weights, adam.gradient = sgd.gradient;
    adam.mean = mutable_data<T>(mean), adam.variance = mutable_data<T>(variance);
    adam.beta2 = T(0.999), adam.beta1_complement = T(0.1), adam.beta2_complement = T(0.001);
    adam.step_size = T(1e-3), adam.epsilon = T(1e-8);
    report("adam_update", n * 7 * t_, [&](std::int64_t) { launch(at::kCPU, kernels().adam_update, adam, {0, n}, kGrainElements); });
    const std::int64_t blocks = (n + kNormBlock - 1) / kNormBlock;
    const at::Tensor sums = at::zeros({blocks}, at::kDouble);
    report("squared_norm", n * t_, [&](std::int64_t) {
      at::parallel_for(0, blocks, 1, [&](std::int64_t begin, std::int64_t end) {
        kernels().squared_norm(const_data<T>(gradient), n, mutable_data<double>(sums), {begin, end}, nullptr);
      });
    });
    if constexpr (std::is_same_v<A, BFloat16>) conversions(gradient);
  }

  // Between the type of activations and the one that is computed in.
  void conversions(const at::Tensor& sums) const {
    const std::int64_t columns = 4 * kHidden, rows = sums.numel() / columns;
    const at::Tensor narrow = at::zeros({rows, columns}, kActivations);
    RoundElements<A> round;
    round.from = const_data<T>(sums), round.values = mutable_data<A>(narrow);
    report("round_elements", rows * columns * (t_ + a_),
           [&](std::int64_t) { launch(at::kCPU, kernels().round_elements, round, {0, rows * columns}, kGrainElements); });
    WidenRows<A> widen;
    widen.columns = widen.stride = columns, widen.values = const_data<A>(narrow), widen.sums = mutable_data<T>(sums);
    widen.add = true;
    report("widen_rows", rows * columns * (2 * t_ + a_),
           [&](std::int64_t) { launch(at::kCPU, kernels().widen_rows, widen, {0, rows}, grain_for(columns)); });
  }

  void masks() const {
    const std::int64_t n = kBeyondCaches / t_;
    const at::Tensor mask = at::zeros({n});
    const RandomStream stream{};
    report("dropout_mask", n * t_, [&](std::int64_t) {
      at::parallel_for(0, n, kGrainElements, [&](std::int64_t begin, std::int64_t end) {
        kernels().dropout_mask(mutable_data<T>(mask) + begin, stream, dropout_threshold(0.5), T(2), {begin, end}, nullptr);
      });
    });
    const std::int64_t channels = 130, lanes = 64, steps = n / (2 * channels * lanes);
    const at::Tensor source = at::rand({steps * lanes, channels}).to(kActivations);
    const at::Tensor values = at::zeros({steps * lanes, channels}, kActivations), places = at::randperm(steps, at::kLong);
    GatherSteps<A> gather;
    gather.channels = gather.stride = channels, gather.lanes = lanes, gather.places = const_data<std::int64_t>(places);
    gather.source = const_data<A>(source), gather.values = mutable_data<A>(values);
    report("gather_steps", source.numel() * 2 * a_,
           [&](std::int64_t) { launch(at::kCPU, kernels().gather_steps, gather, {0, steps * lanes}, grain_for(channels)); });
    ScatterAddSteps<A> scatter;
    scatter.channels = scatter.stride = channels, scatter.lanes = lanes, scatter.places = gather.places;
    scatter.values = gather.source, scatter.sums = gather.values;
    report("scatter_add_steps", source.numel() * 3 * a_,
           [&](std::int64_t) { launch(at::kCPU, kernels().scatter_add_steps, scatter, {0, steps * lanes}, grain_for(channels)); });
  }

  std::int64_t threads_, calls_;
  Bandwidths memory_;
};

}  // namespace

int main(int argc, char** argv) {
  std::string part, precision = "float32";
  std::int64_t threads = 2, calls = 15;
  try {
    CommandLine line("engine_limits --part peak|kernels [flags]", "What this machine can do, and how near the kernels come to it.");
    line.add("part", "peak|kernels", "what to measure", part)
        .add("precision", "float32|bf16", "type of activations of the kernels", precision)
        .add("threads", "N", "CPU threads", threads, {1, 1'024})
        .add("calls", "N", "calls that a median is taken over", calls, {1, 10'000});
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    if ((part != "peak" && part != "kernels") || (precision != "float32" && precision != "bf16")) {
      throw ConfigError(fmt::format("--part '{}' with --precision '{}'", part, precision), "command line",
                        "give --part peak or kernels, and --precision float32 or bf16");
    }
    at::set_num_threads(static_cast<int>(threads));
    if (part == "peak") {
      print_peaks(threads, calls);
    } else {
      const Bandwidths memory = print_bandwidths(threads, calls);
      if (precision == "bf16") {
        KernelTimes<BFloat16>(threads, calls, memory).run();
      } else {
        KernelTimes<float>(threads, calls, memory).run();
      }
    }
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
