#include "plan/elementary.h"

#include <cmath>
#include <limits>

namespace trellis {
namespace {

// Rounded twice, whatever the processor: what is computed here does not depend on it.
template <class T>
T multiply_add(T a, T b, T c) {
  return a * b + c;
}

namespace arithmetic {
#include "plan/vector_math.h"
}

// sin and cos of |x| <= pi/4 by their series; the next terms are below 1e-19.
double sine_of(double x) {
  const double square = x * x;
  double sum = 0;
  for (int n = 19; n >= 3; n -= 2) sum = (1 + sum) * (-square / (n * (n - 1)));
  return x + x * sum;
}
double cosine_of(double x) {
  const double square = x * x;
  double sum = 0;
  for (int n = 20; n >= 4; n -= 2) sum = (1 + sum) * (-square / (n * (n - 1)));
  const double half = 0.5 * square;
  return 1 - (half + half * sum);
}

// An unrounded product or power: high + low, |low| at most half a unit in the last place of high.
struct Wide {
  double high, low;
};
Wide product(Wide a, Wide b) {
  const double high = a.high * b.high;
  const double low = std::fma(a.high, b.high, -high) + (a.high * b.low + a.low * b.high);  // fma is exact in every library
  const double sum = high + low;
  return {sum, low - (sum - high)};
}

}  // namespace

double exponential(double x) { return arithmetic::exponential(x); }

double logarithm(double x) { return arithmetic::logarithm(x); }

double cosine_of_turns(double turns) {
  constexpr double kTwoPi = 6.283185307179586477;
  const double eighths = std::floor(std::abs(turns) * 8);
  const int quarters = (static_cast<int>(eighths) + 1) / 2;  // the nearest quarter of a turn
  const double angle = kTwoPi * (std::abs(turns) - 0.25 * quarters);
  switch (quarters % 4) {
    case 0: return cosine_of(angle);
    case 1: return -sine_of(angle);
    case 2: return -cosine_of(angle);
    default: return sine_of(angle);
  }
}

double whole_power(double base, std::int64_t exponent) {
  Wide result{1, 0}, square{base, 0};
  for (std::int64_t rest = exponent; rest > 0; rest /= 2) {
    if (rest % 2 == 1) result = product(result, square);
    if (result.high < std::numeric_limits<double>::min()) return 0;
    square = product(square, square);
    if (square.high < std::numeric_limits<double>::min()) square = {0, 0};
  }
  return result.high;
}

}  // namespace trellis
