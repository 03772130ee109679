// Steps gathered into another order and their gradient brought back, by the reference and every compiled instruction set,
// element by element. Sums of small integers are exact, so results are compared by equality.
#include "kernels/gather.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "kernels/table.h"

namespace trellis {
namespace {

constexpr std::int64_t kNowhere = -1;

struct Case {
  std::int64_t channels, lanes, source_steps;
  std::vector<std::int64_t> places;
  std::int64_t gap;  // elements between one row of the values and the next
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::int64_t channels : {1, 5, 16, 33, 130}) {
    for (const std::int64_t lanes : {1, 3, 8}) {
      for (const std::int64_t gap : {0, 7}) {
        all.push_back({channels, lanes, 6, {kNowhere, kNowhere, 0, 4, 5}, gap});  // a dilated convolution's tap
        all.push_back({channels, lanes, 6, {3, 0, 2, kNowhere, 1}, gap});
        all.push_back({channels, lanes, 4, {kNowhere}, gap});
        all.push_back({channels, lanes, 1, {0}, gap});
        all.push_back({channels, lanes, 2, {}, gap});
      }
    }
  }
  return all;
}

template <class T>
class Gather : public testing::Test {
 protected:
  static constexpr T kUntouched = T(-77);

  static std::vector<KernelTable<T>> tables() {
    std::vector<KernelTable<T>> all = usable_cpu_kernels<T>();
    all.push_back(reference_kernels<T>());
    return all;
  }
  // first, first + 1, ...
  static std::vector<T> counting(std::int64_t count, T first) {
    std::vector<T> values(static_cast<std::size_t>(count));
    std::iota(values.begin(), values.end(), first);
    return values;
  }
  static std::string describe(const KernelTable<T>& table, const Case& c) {
    return fmt::format("{}: {} channels, {} lanes, {} steps, gap {}", table.name, c.channels, c.lanes, c.places.size(), c.gap);
  }
  // Runs a kernel on the rows in two parts that do not meet at a step's edge.
  template <class Args>
  static void run(void (*kernel)(const Args&, Range, void*), const Args& args, std::int64_t rows) {
    const std::int64_t cut = rows / 2 + rows % 2;
    kernel(args, {0, cut}, nullptr);
    kernel(args, {cut, rows}, nullptr);
  }
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Gather, Types);

TYPED_TEST(Gather, CopiesTheStepsThatThePlacesNameAndZerosElsewhere) {
  using T = TypeParam;
  for (const Case& c : cases()) {
    const std::int64_t rows = static_cast<std::int64_t>(c.places.size()) * c.lanes, stride = c.channels + c.gap;
    const std::vector<T> source = this->counting(c.source_steps * c.lanes * c.channels, T(1));
    std::vector<T> expected(static_cast<std::size_t>(rows * stride), this->kUntouched);
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t place = c.places[static_cast<std::size_t>(row / c.lanes)];
      for (std::int64_t n = 0; n < c.channels; ++n) {
        expected[static_cast<std::size_t>(row * stride + n)] =
            place == kNowhere ? T(0) : source[static_cast<std::size_t>((place * c.lanes + row % c.lanes) * c.channels + n)];
      }
    }
    for (const auto& table : this->tables()) {
      std::vector<T> values(expected.size(), this->kUntouched);
      const GatherSteps<T> args{.channels = c.channels, .lanes = c.lanes, .places = c.places.data(), .source = source.data(), .stride = stride,
                                .values = values.data()};
      this->run(table.gather_steps, args, rows);
      EXPECT_EQ(values, expected) << this->describe(table, c);
    }
  }
}

TYPED_TEST(Gather, AddsTheGradientOfEachStepWhereItCameFrom) {
  using T = TypeParam;
  for (const Case& c : cases()) {
    const std::int64_t rows = static_cast<std::int64_t>(c.places.size()) * c.lanes, stride = c.channels + c.gap;
    const std::vector<T> values = this->counting(rows * stride, T(1));
    const std::vector<T> before = this->counting(c.source_steps * c.lanes * c.channels, T(1000));
    std::vector<T> expected = before;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t place = c.places[static_cast<std::size_t>(row / c.lanes)];
      for (std::int64_t n = 0; n < c.channels && place != kNowhere; ++n) {
        expected[static_cast<std::size_t>((place * c.lanes + row % c.lanes) * c.channels + n)] += values[static_cast<std::size_t>(row * stride + n)];
      }
    }
    for (const auto& table : this->tables()) {
      std::vector<T> sums = before;
      const ScatterAddSteps<T> args{.channels = c.channels, .lanes = c.lanes, .places = c.places.data(), .stride = stride,
                                    .values = values.data(), .sums = sums.data()};
      this->run(table.scatter_add_steps, args, rows);
      EXPECT_EQ(sums, expected) << this->describe(table, c);
    }
  }
}

}  // namespace
}  // namespace trellis
