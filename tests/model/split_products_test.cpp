// Products of float32 factors as three of bfloat16 parts, against float64. Where the processor has no matrix units there is nothing to test.
#include "model/split_products.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/errors.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::RandomTensors;

class SplitProducts : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_split_products()) GTEST_SKIP() << "this processor has no bfloat16 matrix units, or LibTorch no MKL";
    use_split_products(true);
  }
  void TearDown() override { use_split_products(false); }

  RandomTensors random_{7, at::kFloat};
};

// How far `actual` is from a b, as a share of the sum of its terms' sizes.
double error(const at::Tensor& actual, const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor wide_a = a.to(at::kDouble), wide_b = b.to(at::kDouble);
  return ((actual.to(at::kDouble) - wide_a.mm(wide_b)).abs() / wide_a.abs().mm(wide_b.abs())).max().item<double>();
}

constexpr double kRight = 1.0 / (1 << 16), kFloat32Right = 1.0 / (1 << 21);

TEST_F(SplitProducts, AreRightToTwoToTheMinusSixteen) {
  for (const std::int64_t m : {1, 2, 33, 260}) {
    for (const std::int64_t k : {16, 17, 250}) {
      for (const std::int64_t n : {1, 7, 300}) {
        const at::Tensor a = random_.normal({m, k}), b = random_.normal({n, k}).t(), out = at::full({m, n}, std::numeric_limits<float>::quiet_NaN());
        ASSERT_TRUE(can_split(out, a, b));
        multiply(out, a, b, Accumulate::overwrite);
        EXPECT_LE(error(out, a, b), kRight) << m << " " << k << " " << n;
        if (m > 2 && n > 7) {
          EXPECT_GE(error(out, a, b), kFloat32Right) << "this is the product in float32";
        }
      }
    }
  }
}

TEST_F(SplitProducts, AddToStridedSumsAndReadStridedFactors) {
  const at::Tensor whole = random_.normal({40, 500}), kernel = random_.normal({300, 2, 64}), factors = random_.normal({40, 200});
  const at::Tensor before = whole.clone(), out = whole.narrow(1, 100, 300), a = factors.narrow(1, 30, 64), b = kernel.select(1, 1).t();
  multiply(out, a, b, Accumulate::add);
  EXPECT_LE(error(out - before.narrow(1, 100, 300), a, b), 2 * kRight);
  EXPECT_TRUE(whole.narrow(1, 0, 100).equal(before.narrow(1, 0, 100)));
  EXPECT_TRUE(whole.narrow(1, 400, 100).equal(before.narrow(1, 400, 100)));
}

TEST_F(SplitProducts, HaveTheSameBitsOnAnyNumberOfThreads) {
  const at::Tensor a = random_.normal({777, 130}), b = random_.normal({500, 130}).t();
  const int threads = at::get_num_threads();
  at::Tensor first;
  for (const int count : {1, 2, 3, 4}) {
    at::set_num_threads(count);
    const at::Tensor out = at::empty({777, 500});
    multiply(out, a, b, Accumulate::overwrite);
    if (!first.defined()) first = out;
    EXPECT_TRUE(out.equal(first)) << count << " threads";
  }
  at::set_num_threads(threads);
}

TEST_F(SplitProducts, LeaveOtherProductsAsTheyAre) {
  const at::Tensor a = random_.normal({40, 64}), b = random_.normal({64, 30}), expected = a.mm(b);
  EXPECT_FALSE(can_split(expected, a, b));  // rows of b are whole, not its columns
  at::Tensor out = at::empty({40, 30});
  multiply(out, a, b, Accumulate::overwrite);
  EXPECT_TRUE(out.equal(expected));
  const at::Tensor wide = at::empty({40, 40}, at::kDouble);
  EXPECT_FALSE(can_split(wide, a.to(at::kDouble), a.to(at::kDouble).t()));
  EXPECT_THROW(multiply_split(out, a, b, Accumulate::overwrite), InternalError);
}

TEST_F(SplitProducts, InfinityIsNotLost) {
  at::Tensor a = random_.normal({4, 64});
  a[1][3] = std::numeric_limits<float>::infinity();
  const at::Tensor b = random_.normal({8, 64}).t(), out = at::empty({4, 8});
  multiply(out, a, b, Accumulate::overwrite);
  EXPECT_FALSE(out[1].isfinite().any().item<bool>());
  EXPECT_TRUE(out[0].isfinite().all().item<bool>());
}

TEST(SplitProductsOff, AreOffUnlessAskedFor) {
  EXPECT_FALSE(split_products_in_use());
  if (!has_split_products()) {
    EXPECT_THROW(use_split_products(true), InternalError);
  }
}

}  // namespace
}  // namespace trellis
