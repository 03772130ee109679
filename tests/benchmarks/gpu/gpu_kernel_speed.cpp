// How fast the CUDA kernels are on this GPU, each against the copy bandwidth measured in the same run: bytes that must move
// once, over time. The sizes are those of the paper's WikiText-103 network at its published batch (3,000 rows).
//   build/tests/gpu_kernel_speed
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/cuda_tables.h"

namespace trellis {
namespace {

void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

template <class T>
class Buffer {
 public:
  explicit Buffer(std::int64_t count) : count_(count) {
    check(cudaMalloc(&memory_, static_cast<std::size_t>(count) * sizeof(T)));
    check(cudaMemset(memory_, 0, static_cast<std::size_t>(count) * sizeof(T)));
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { static_cast<void>(cudaFree(memory_)); }
  T* get() const { return static_cast<T*>(memory_); }
  std::int64_t count() const { return count_; }

 private:
  void* memory_ = nullptr;
  std::int64_t count_;
};

// Median seconds of one call, of 21 timed each by itself.
double seconds(const std::function<void()>& run) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin));
  check(cudaEventCreate(&end));
  std::vector<float> times;
  for (int n = 0; n < 24; ++n) {
    check(cudaEventRecord(begin));
    run();
    check(cudaEventRecord(end));
    check(cudaEventSynchronize(end));
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end));
    if (n >= 3) times.push_back(milliseconds);
  }
  check(cudaEventDestroy(begin));
  check(cudaEventDestroy(end));
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  return times[10] * 1e-3;
}

double copy_bandwidth = 0;

void report(const std::string& name, double bytes, const std::function<void()>& run) {
  const double time = seconds(run), rate = bytes / time;
  std::printf("| %-36s | %9.1f | %7.0f | %5.1f %% |\n", name.c_str(), time * 1e6, rate * 1e-9, 100 * rate / copy_bandwidth);
}

template <class A>
void gates(const std::string& type) {
  using T = Compute<A>;
  const std::int64_t rows = 3000, H = 2112, lanes = 40, all = rows * H;
  const Buffer<A> gates(4 * all), injection(4 * all), hidden(all), d_hidden(all);
  const Buffer<T> bias(4 * H), previous(all), cell(all), mask(lanes * H), d_cell(all), d_previous(all), d_injection(4 * all);
  GatesForward<A> forward;
  forward.channels = H, forward.outputs = 512, forward.lanes = lanes, forward.gates = gates.get(), forward.injection = injection.get();
  forward.bias = bias.get(), forward.previous_cell = previous.get(), forward.hidden_mask = mask.get(), forward.cell = cell.get();
  forward.hidden = hidden.get();
  const double a = sizeof(A), t = sizeof(T), elements = static_cast<double>(all);
  report("gates forward, " + type, elements * (4 * a + 4 * a + 4 * a + t + t + a), [&] { cuda::device_table<A>().gates_forward(forward, {0, rows}, nullptr); });
  GatesBackward<A> backward;
  backward.channels = H, backward.outputs = 512, backward.lanes = lanes, backward.gates = gates.get(), backward.cell = cell.get();
  backward.previous_cell = previous.get(), backward.hidden_mask = mask.get(), backward.d_hidden = d_hidden.get(), backward.d_cell = d_cell.get();
  backward.d_previous_cell = d_previous.get();
  report("gates backward, " + type, elements * (8 * a + t + t + a + t + t), [&] { cuda::device_table<A>().gates_backward(backward, {0, rows}, nullptr); });
  backward.d_injection = d_injection.get(), backward.add_to_injection = true;
  report("the same and its sum over levels", elements * (8 * a + t + t + a + t + t + 8 * t), [&] { cuda::device_table<A>().gates_backward(backward, {0, rows}, nullptr); });
  const std::int64_t levels = 20;
  const Buffer<A> all_gates(levels * 4 * all);
  const Buffer<std::int64_t> places(levels);  // zeros would all be one place
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(levels));
  for (std::int64_t n = 0; n < levels; ++n) numbers[static_cast<std::size_t>(n)] = levels - 1 - n;
  check(cudaMemcpy(places.get(), numbers.data(), numbers.size() * sizeof(std::int64_t), cudaMemcpyHostToDevice));
  LevelSums<A> sums{.count = levels, .places = places.get(), .distance = 4 * all, .values = all_gates.get(), .sums = injection.get()};
  report("sum over 20 levels' gates, " + type, 4 * elements * a * (levels + 1.0), [&] { cuda::device_table<A>().level_sums(sums, {0, 4 * all}, nullptr); });
}

void run() {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, 0));
  const Buffer<float> from(1 << 28), to(1 << 28);
  const double bytes = 2.0 * 4 * (1 << 28);
  copy_bandwidth = bytes / seconds([&] { check(cudaMemcpyAsync(to.get(), from.get(), std::size_t{4} << 28, cudaMemcpyDeviceToDevice)); });
  std::printf("%s: copies at %.0f GB/s, read and written\n\n| kernel | us | GB/s | of the copy |\n|---|---|---|---|\n", properties.name, copy_bandwidth * 1e-9);
  gates<BFloat16>("bf16");
  gates<float>("float32");

  const auto& kernels = cuda::device_table<float>();
  const std::int64_t rows = 3000, classes = 20'004, weights = 44'300'000 / 4 * 4;
  const Buffer<float> logits(rows * classes), scale(rows);
  const Buffer<std::int64_t> targets(rows);
  const Buffer<double> loss(rows), sums(weights / kNormBlock + 1);
  CrossEntropy<float> entropy{.classes = classes, .stride = classes, .logits = logits.get(), .targets = targets.get(), .loss = loss.get(), .scale = scale.get()};
  report("cross entropy and gradient, 20,004", 3.0 * 4 * static_cast<double>(rows * classes), [&] { kernels.cross_entropy(entropy, {0, rows}, nullptr); });
  const Buffer<float> w(weights), g(weights), m(weights), v(weights);
  const Buffer<double> factor(1);
  AdamUpdate<float> adam;
  adam.gradient_scale = factor.get(), adam.weights = w.get(), adam.gradient = g.get(), adam.mean = m.get(), adam.variance = v.get(), adam.epsilon = 1e-8f;
  report("Adam, 44.3 M weights", 7.0 * 4 * static_cast<double>(weights), [&] { kernels.adam_update(adam, {0, weights}, nullptr); });
  report("squared norm, 44.3 M", 4.0 * static_cast<double>(weights), [&] {
    kernels.squared_norm(g.get(), weights, sums.get(), {0, (weights + kNormBlock - 1) / kNormBlock}, nullptr);
  });
  const std::int64_t H = 2112, kernel_rows = 4 * H;
  EffectiveKernelForward<BFloat16> effective;
  const Buffer<BFloat16> kernel(kernel_rows * 2 * H);
  const Buffer<float> direction(kernel_rows * 2 * H), gain(kernel_rows);
  effective.taps = 2, effective.channels = H, effective.direction = direction.get(), effective.gain = gain.get(), effective.kernel = kernel.get();
  effective.mask.threshold = dropout_threshold(0.35), effective.mask.scale = 1 / 0.65f;
  report("effective kernel, weight dropout, bf16", (4.0 + 2.0) * static_cast<double>(kernel.count()),
         [&] { cuda::device_table<BFloat16>().effective_kernel_forward(effective, {0, kernel_rows}, nullptr); });
  const Buffer<float> d_values(rows * 512), table(267'735 * 512);
  EmbeddingBackward<float> embedding;
  embedding.channels = 512, embedding.lanes = 40, embedding.rows = rows, embedding.tokens = targets.get(), embedding.d_values = d_values.get();
  embedding.d_table = table.get();
  report("embedding backward, all rows one word", 4.0 * static_cast<double>(rows * 512), [&] { kernels.embedding_backward(embedding, {0, 512}, nullptr); });
}

}  // namespace
}  // namespace trellis

int main() {
  try {
    trellis::run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
