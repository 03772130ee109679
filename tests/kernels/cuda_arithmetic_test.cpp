// The CUDA kernels' own code on a CPU: every body of kernels/cuda, with its launch geometry, run by loops over blocks and
// threads. Threads run in rising and in falling order between two barriers: a body that lacks a barrier differs.
#include <cmath>

#include "base/errors.h"
#include "kernels/cuda/table_on.h"
#include "kernels/cuda_kernels.h"
#include "tests/kernels/device_kernels_checks.h"

namespace trellis {
namespace {

template <int Threads, bool Falling>
struct SimulatedBlock {
  template <class F>
  void each(F f) {
    for (int n = 0; n < Threads; ++n) f(Falling ? Threads - 1 - n : n);
  }
};

template <bool Falling>
struct SimulatedDevice {
  template <class Body>
  static void run(const Body& body, std::int64_t blocks, void*) {
    auto shared = std::make_unique<typename Body::Shared>();
    for (std::int64_t n = 0; n < blocks; ++n) {
      std::memset(static_cast<void*>(shared.get()), 0xcd, sizeof *shared);  // as on a GPU, nobody clears it
      body(SimulatedBlock<Body::kThreads, Falling>{}, Falling ? blocks - 1 - n : n, *shared);
    }
  }
};

template <class A, bool Falling>
struct Simulated {
  using Activation = A;
  using Memory = HostMemory;
  static KernelTable<A> table() { return cuda::table_on<SimulatedDevice<Falling>, A>("simulated"); }
};

using Setups = testing::Types<Simulated<float, false>, Simulated<double, false>, Simulated<BFloat16, false>, Simulated<float, true>,
                              Simulated<double, true>, Simulated<BFloat16, true>>;
INSTANTIATE_TYPED_TEST_SUITE_P(OnACpu, DeviceKernels, Setups);

TEST(CudaArithmetic, ExpTanhAndLogisticAreGoodToAFewUnitsInTheLastPlace) {
  for (double x = -30; x < 30; x += 0.00137) {
    const float f = static_cast<float>(x);
    const double exact = static_cast<double>(f);
    EXPECT_NEAR(cuda::exponential(f) / std::exp(exact), 1, 4e-7) << f;
    EXPECT_NEAR(cuda::logistic(f) * (1 + std::exp(-exact)), 1, (6 + std::abs(exact)) * 7e-8) << f;
    EXPECT_NEAR(cuda::logistic(f), 1 / (1 + std::exp(-exact)), 1.2e-7) << f;
    ASSERT_NE(f, 0.0f);
    EXPECT_NEAR(cuda::hyperbolic_tangent(f) / std::tanh(exact), 1, 4e-7) << f;
  }
  EXPECT_LT(cuda::logistic(-200.0f), 1e-37f);
  EXPECT_EQ(cuda::logistic(200.0f), 1.0f);
  EXPECT_EQ(cuda::hyperbolic_tangent(200.0f), 1.0f);
  EXPECT_EQ(cuda::hyperbolic_tangent(-200.0f), -1.0f);
  EXPECT_EQ(cuda::exponential(-1e30f), 0.0f);
  EXPECT_TRUE(std::isfinite(cuda::exponential(1e30f)));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(cuda::exponential(nan)));
  EXPECT_TRUE(std::isnan(cuda::logistic(nan)));
  EXPECT_TRUE(std::isnan(cuda::hyperbolic_tangent(nan)));
}

TEST(CudaArithmetic, DivisionIsTheSameOnBothSidesOf32Bits) {
  for (const std::int64_t n : {0ll, 7ll, 4294967295ll, 4294967296ll, 1ll << 40}) {
    for (const std::int64_t by : {1ll, 3ll, 4294967295ll, 4294967297ll}) {
      const cuda::Division result = cuda::divide(n, by);
      EXPECT_EQ(result.quotient, n / by);
      EXPECT_EQ(result.rest, n % by);
    }
  }
}

TEST(CudaKernels, AreThereOnceTheModuleHasHandedThemOver) {
  EXPECT_THROW(cuda_kernels<float>(), InternalError);
  const KernelTable<float> of_float = Simulated<float, false>::table();
  const CudaKernels kernels{&of_float, nullptr, nullptr, nullptr};
  register_cuda_kernels(&kernels);
  EXPECT_EQ(&cuda_kernels<float>(), &of_float);
  register_cuda_kernels(nullptr);
  EXPECT_THROW(cuda_kernels<float>(), InternalError);
}

}  // namespace
}  // namespace trellis
