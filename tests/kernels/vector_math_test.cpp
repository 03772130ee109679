// exp, log, tanh and the logistic function of every compiled instruction set: of floats against the C library's in double, of many
// doubles against its long double, and at the edges of their range. Errors are in units in the last place of the exact result.
//
// Of all floats every 17th is tried; all of them, in some four minutes of one core, with
//   EVERY_FLOAT=1 build/tests/test_kernels --gtest_filter='*Floats*' --gtest_output=xml:errors.xml
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include "kernels/table.h"

namespace trellis {
namespace {

struct Function {
  ElementFunction function;
  const char* name;
  double limit;  // units in the last place, as plan/vector_math.h says
};
constexpr Function kFunctions[] = {{ElementFunction::exponential, "exp", 1.1},
                                   {ElementFunction::logarithm, "log", 0.9},
                                   {ElementFunction::hyperbolic_tangent, "tanh", 2.0},
                                   {ElementFunction::logistic, "logistic", 1.8}};

std::string name_of(const testing::TestParamInfo<Function>& test) { return test.param.name; }

template <class Real>
Real exactly(ElementFunction function, Real x) {
  switch (function) {
    case ElementFunction::exponential: return std::exp(x);
    case ElementFunction::logarithm: return std::log(x);
    case ElementFunction::hyperbolic_tangent: return std::tanh(x);
    case ElementFunction::logistic: {
      const Real small = std::exp(-std::abs(x));
      return (x < 0 ? small : 1) / (1 + small);
    }
  }
  return 0;
}

// The same for a float, faster: what a double holds of it is plain where it is next to a constant or a line.
double exactly_for_float(ElementFunction function, double x) {
  const double magnitude = std::abs(x);
  switch (function) {
    case ElementFunction::exponential:
      if (magnitude < 0x1p-28) return 1 + x;
      if (magnitude > 110) return x < 0 ? 0 : std::numeric_limits<double>::infinity();
      break;
    case ElementFunction::hyperbolic_tangent:
      if (magnitude < 0x1p-8) return x - x * magnitude * magnitude / 3 * (1 - 0.4 * x * x);
      if (magnitude > 20) return x < 0 ? -1 : 1;
      break;
    case ElementFunction::logistic:
      if (magnitude < 0x1p-28) return 0.5 + 0.25 * x;
      if (magnitude > 110) return x < 0 ? 0 : 1;
      break;
    case ElementFunction::logarithm: break;
  }
  return exactly(function, x);
}

// |got - exact| in units in the last place of a float near `exact`; infinite for the wrong kind of number.
double error_of(float got, double exact) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : kWrong;
  if (std::abs(exact) >= 0x1.ffffffp127) return std::isinf(got) && std::signbit(got) == std::signbit(exact) ? 0 : kWrong;
  const int exponent = static_cast<int>(std::bit_cast<std::uint64_t>(exact) >> 52 & 0x7ff) - 1023;
  const double per_unit = std::bit_cast<double>(static_cast<std::uint64_t>(1023 + 23 - std::max(exponent, -126)) << 52);
  return std::abs(static_cast<double>(got) - exact) * per_unit;
}

struct Worst {
  double error = 0, at = 0;
  void take(double other, double x) {
    if (!(other <= error)) error = other, at = x;
  }
};

// The worst of each table among floats whose bits are step, 2 step, ..., from begin step to before end step. Tables that multiply and
// add alike must give the same bits.
std::vector<Worst> worst_of(const Function& f, const std::vector<KernelTable<float>>& tables, std::uint64_t step, std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t kBlock = 1 << 14;
  std::vector<Worst> worst(tables.size());
  std::vector<double> exact(kBlock);
  std::vector<float> x(kBlock);
  std::vector<std::vector<float>> y(tables.size(), std::vector<float>(kBlock));
  for (std::uint64_t first = begin; first < end; first += kBlock) {
    for (std::uint64_t n = 0; n < kBlock; ++n) {
      x[n] = std::bit_cast<float>(static_cast<std::uint32_t>((first + n) * step));
      exact[n] = exactly_for_float(f.function, static_cast<double>(x[n]));
    }
    for (std::size_t t = 0; t < tables.size(); ++t) {
      y[t] = x;
      tables[t].apply_function({.function = f.function, .values = y[t].data()}, {0, kBlock}, nullptr);
      const bool as_before = t > 0 && t + 1 < tables.size();  // the last alone rounds twice
      if (as_before && std::memcmp(y[t].data(), y[t - 1].data(), kBlock * sizeof(float)) == 0) continue;
      for (std::uint64_t n = 0; n < kBlock; ++n) {
        if (as_before && std::isnan(x[n])) continue;  // whose bits nobody promises
        worst[t].take(as_before && std::bit_cast<std::uint32_t>(y[t][n]) != std::bit_cast<std::uint32_t>(y[t - 1][n])
                          ? std::numeric_limits<double>::infinity() : error_of(y[t][n], exact[n]), static_cast<double>(x[n]));
      }
    }
  }
  return worst;
}

class Floats : public testing::TestWithParam<Function> {};

TEST_P(Floats, AreWithinTheStatedError) {
  const auto tables = usable_cpu_kernels<float>();
  const std::uint64_t step = std::getenv("EVERY_FLOAT") ? 1 : 17;
  const std::uint64_t count = (std::uint64_t{1} << 32) / step;
  constexpr std::uint64_t kPart = 1 << 20;  // strewn over threads, since some are slow
  const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, 4u);
  std::vector<std::vector<Worst>> found(threads, std::vector<Worst>(tables.size()));
  std::vector<std::thread> workers;
  for (unsigned worker = 0; worker < threads; ++worker) {
    workers.emplace_back([&, worker] {
      for (std::uint64_t begin = worker * kPart; begin < count; begin += threads * kPart) {
        const auto worst = worst_of(GetParam(), tables, step, begin, begin + kPart);
        for (std::size_t t = 0; t < tables.size(); ++t) found[worker][t].take(worst[t].error, worst[t].at);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  for (std::size_t t = 0; t < tables.size(); ++t) {
    Worst worst;
    for (const auto& of_worker : found) worst.take(of_worker[t].error, of_worker[t].at);
    EXPECT_LE(worst.error, GetParam().limit) << tables[t].name << " at " << worst.at;
    if (t == 0 || t + 1 == tables.size()) {
      EXPECT_GT(worst.error, 0.5) << "nothing was compared";
    }
    RecordProperty(std::string("worst_") + tables[t].name, std::to_string(worst.error));
  }
}
INSTANTIATE_TEST_SUITE_P(Of, Floats, testing::ValuesIn(kFunctions), &name_of);

double error_of(double got, long double exact) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  if (std::isnan(exact) || std::isnan(got)) return std::isnan(exact) && std::isnan(got) ? 0 : kWrong;
  if (std::abs(exact) >= 0x1.fffffffffffffcp1023L) return std::isinf(got) && std::signbit(got) == std::signbit(exact) ? 0 : kWrong;
  if (exact == 0) return got == 0 ? 0 : kWrong;
  return static_cast<double>(std::abs(static_cast<long double>(got) - exact) / std::ldexp(1.0L, std::max(std::ilogb(exact), -1022) - 52));
}

class ManyDoubles : public testing::TestWithParam<Function> {};

TEST_P(ManyDoubles, AreWithinTheStatedError) {
  constexpr std::size_t kCount = 1 << 16;
  const RandomStream stream{.seed = 12};
  std::vector<double> x;
  for (std::size_t n = 0; n < kCount; ++n) {
    const double u = 2 * stream.uniform(5 * n) - 1;
    for (const double scale : {0.01, 1.0, 40.0, 760.0}) x.push_back(scale * u + 1e-10 * stream.uniform(5 * n + 1));
    x.push_back(1 + 0.01 * u);                                                                              // where log is small
    x.push_back(std::ldexp(u, static_cast<int>(2098 * stream.uniform(5 * n + 2)) - 1074));                  // of any size
    x.push_back(std::bit_cast<double>(std::uint64_t{stream.word(5 * n + 3)} << 32 | stream.word(5 * n + 4)));  // any bits
  }
  for (const auto& table : usable_cpu_kernels<double>()) {
    auto y = x;
    table.apply_function({.function = GetParam().function, .values = y.data()}, {0, static_cast<std::int64_t>(y.size())}, nullptr);
    Worst worst;
    for (std::size_t n = 0; n < x.size(); ++n) worst.take(error_of(y[n], exactly(GetParam().function, static_cast<long double>(x[n]))), x[n]);
    EXPECT_LE(worst.error, GetParam().limit) << table.name << " at " << worst.at;
    EXPECT_GT(worst.error, 0.5) << "nothing was compared";
  }
}
INSTANTIATE_TEST_SUITE_P(Of, ManyDoubles, testing::ValuesIn(kFunctions), &name_of);

template <class T>
class VectorMathEdges : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(VectorMathEdges, Types);

TYPED_TEST(VectorMathEdges, AreWhatTheLimitsAre) {
  using T = TypeParam;
  constexpr T kInfinity = std::numeric_limits<T>::infinity(), kNaN = std::numeric_limits<T>::quiet_NaN(), kMax = std::numeric_limits<T>::max();
  constexpr T kLeast = std::numeric_limits<T>::denorm_min();
  struct Case {
    ElementFunction function;
    T x, expected;
  };
  const Case cases[] = {{ElementFunction::exponential, 0, 1},
                        {ElementFunction::exponential, T(-0.0), 1},
                        {ElementFunction::exponential, kInfinity, kInfinity},
                        {ElementFunction::exponential, kMax, kInfinity},
                        {ElementFunction::exponential, -kInfinity, 0},
                        {ElementFunction::exponential, -kMax, 0},
                        {ElementFunction::exponential, kNaN, kNaN},
                        {ElementFunction::logarithm, 1, 0},
                        {ElementFunction::logarithm, 0, -kInfinity},
                        {ElementFunction::logarithm, T(-0.0), -kInfinity},
                        {ElementFunction::logarithm, kInfinity, kInfinity},
                        {ElementFunction::logarithm, -1, kNaN},
                        {ElementFunction::logarithm, -kLeast, kNaN},
                        {ElementFunction::logarithm, -kInfinity, kNaN},
                        {ElementFunction::logarithm, kNaN, kNaN},
                        {ElementFunction::hyperbolic_tangent, 0, 0},
                        {ElementFunction::hyperbolic_tangent, T(-0.0), T(-0.0)},
                        {ElementFunction::hyperbolic_tangent, kLeast, kLeast},
                        {ElementFunction::hyperbolic_tangent, kInfinity, 1},
                        {ElementFunction::hyperbolic_tangent, -kMax, -1},
                        {ElementFunction::hyperbolic_tangent, kNaN, kNaN},
                        {ElementFunction::logistic, 0, T(0.5)},
                        {ElementFunction::logistic, kInfinity, 1},
                        {ElementFunction::logistic, kMax, 1},
                        {ElementFunction::logistic, -kInfinity, 0},
                        {ElementFunction::logistic, -kMax, 0},
                        {ElementFunction::logistic, kNaN, kNaN}};
  auto tables = usable_cpu_kernels<T>();
  tables.push_back(reference_kernels<T>());
  for (const auto& table : tables) {
    for (const Case& c : cases) {
      std::vector<T> values(37, c.x);  // as vectors and as their rest
      table.apply_function({.function = c.function, .values = values.data()}, {0, 37}, nullptr);
      for (const T value : values) {
        if (std::isnan(c.expected)) {
          EXPECT_TRUE(std::isnan(value)) << table.name << " function " << static_cast<int>(c.function) << " of " << c.x;
        } else {
          EXPECT_EQ(value, c.expected) << table.name << " function " << static_cast<int>(c.function) << " of " << c.x;
          EXPECT_EQ(std::signbit(value), std::signbit(c.expected)) << table.name << " function " << static_cast<int>(c.function) << " of " << c.x;
        }
      }
    }
  }
}

}  // namespace
}  // namespace trellis
