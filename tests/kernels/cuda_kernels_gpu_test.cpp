// Every kernel on a real GPU against the reference. Without a GPU it fails: where it runs, one was promised.
#include <cuda_runtime.h>

#include <cstdio>
#include <stdexcept>

#include "kernels/cuda/cuda_tables.h"
#include "tests/kernels/device_kernels_checks.h"

namespace trellis {
namespace {

void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

class GpuMemory {
 public:
  GpuMemory() = default;
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  ~GpuMemory() {
    for (void* const memory : owned_) static_cast<void>(cudaFree(memory));
  }

  // exactly as large as it must be, so that compute-sanitizer sees what lies beyond
  template <class V>
  V* put(const std::vector<V>& values, std::int64_t offset = 0) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, (values.size() + static_cast<std::size_t>(offset)) * sizeof(V)));
    owned_.push_back(memory);
    V* const place = static_cast<V*>(memory) + offset;
    check(cudaMemcpy(place, values.data(), values.size() * sizeof(V), cudaMemcpyHostToDevice));
    return place;
  }
  template <class V>
  std::vector<V> get(const V* place, std::size_t count) {
    std::vector<V> values(count);
    check(cudaMemcpy(values.data(), place, count * sizeof(V), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  std::vector<void*> owned_;
};

template <class A>
struct Gpu {
  using Activation = A;
  using Memory = GpuMemory;
  static KernelTable<A> table() { return cuda::device_table<A>(); }
};

using Setups = testing::Types<Gpu<float>, Gpu<double>, Gpu<BFloat16>>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnAGpu, DeviceKernels, Setups);

// Run twice, the same bits: the kernels whose sums could depend on the order of threads.
TEST(CudaKernels, SumsAreTheSameBitsEveryTime) {
  const std::int64_t rows = 3000, channels = 512, words = 100, classes = 10'000;
  const RandomStream stream{.seed = 3};
  std::vector<float> gradient(static_cast<std::size_t>(rows * channels)), logits(static_cast<std::size_t>(64 * classes));
  for (std::size_t n = 0; n < gradient.size(); ++n) gradient[n] = static_cast<float>(stream.normal(n));
  for (std::size_t n = 0; n < logits.size(); ++n) logits[n] = static_cast<float>(stream.normal(n));
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(rows)), targets(64);
  for (std::size_t n = 0; n < tokens.size(); ++n) tokens[n] = static_cast<std::int64_t>(stream.word(n) % words);
  const auto run = [&] {
    GpuMemory memory;
    const auto& kernels = cuda::device_table<float>();
    EmbeddingBackward<float> embedding;
    embedding.channels = channels, embedding.rows = rows, embedding.tokens = memory.put(tokens), embedding.d_values = memory.put(gradient);
    embedding.d_table = memory.put(std::vector<float>(static_cast<std::size_t>(words * channels)));
    kernels.embedding_backward(embedding, {0, channels}, nullptr);
    CrossEntropy<float> entropy;
    entropy.classes = entropy.stride = classes, entropy.logits = memory.put(logits), entropy.targets = memory.put(targets);
    entropy.loss = memory.put(std::vector<double>(64)), entropy.scale = memory.put(std::vector<float>(64, 0.5f));
    kernels.cross_entropy(entropy, {0, 64}, nullptr);
    const std::int64_t blocks = (rows * channels + kNormBlock - 1) / kNormBlock;
    double* const sums = memory.put(std::vector<double>(static_cast<std::size_t>(blocks)));
    kernels.squared_norm(embedding.d_values, rows * channels, sums, {0, blocks}, nullptr);
    return std::tuple{memory.get(embedding.d_table, static_cast<std::size_t>(words * channels)), memory.get(entropy.logits, logits.size()),
                      memory.get(entropy.loss, 64), memory.get(sums, static_cast<std::size_t>(blocks))};
  };
  const auto first = run();
  for (int n = 0; n < 3; ++n) EXPECT_TRUE(run() == first);
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::fprintf(stderr, "no GPU: this test needs one (nvidia-smi lists what the driver sees)\n");
    return 1;
  }
  return RUN_ALL_TESTS();
}
