// exp, log, tanh and the logistic function for float and double: IEEE operations in a fixed order and without branches, which a
// compiler turns into vector code. Nothing here is a C library's, whose last bits change from release to release.
//
// Included into a namespace of the includer's, which has <cstdint> and, of each type, multiply_add(a, b, c) = a b + c: rounded
// once where the processor can, else twice. The same bits come out of every compiler that leaves products and sums apart
// (-ffp-contract=off) and of every processor for one kind of multiply_add.
//
// Error in units in the last place, of either multiply_add: exp 1.1, log 0.9, logistic 1.8, tanh 2.0; found by trying every float, and
// many doubles (tests/kernels/vector_math_test.cpp). Subnormal arguments and results are no exception. NaN gives NaN;
// a zero keeps its sign in tanh; exp and log overflow to infinity, log of a negative number is NaN.
//
// exp(x) = 2^n (1 + f), n the nearest whole number to x / ln(2), f = exp(r) - 1 by a polynomial, r = x - n ln(2).

template <class T>
struct FloatFormat;
template <>
struct FloatFormat<float> {
  using Bits = std::int32_t;
  using Unsigned = std::uint32_t;
  static constexpr int kMantissa = 23, kBias = 127;
  static constexpr float kRound = 0x1.8p23f;  // adding it leaves the nearest whole number in the low bits
  static constexpr float kLn2High = 0.693145752f, kLn2Low = 1.42860677e-6f;  // n kLn2High is exact
  static constexpr float kLowest = -104, kHighest = 89;  // exp is 0 below, infinite above
  static constexpr float kLeastNormal = 0x1p-126f;
  static constexpr int kLift = 64;  // exp(x) 2^kLift is a normal number wherever exp(x) is below 1 and not 0
  static constexpr float kLower = 0x1p-64f;
  static constexpr int kLogisticShift = -26;  // exp(-x) 2^kLogisticShift is finite wherever logistic(x) is not 0
  static constexpr float kLogisticOne = 0x1p-26f, kLogisticHighest = 60, kTanhHighest = 10;  // 1 above, with room
  static constexpr Bits kRootHalf = 0x3f3504f3;  // bits of sqrt(1/2)
};
template <>
struct FloatFormat<double> {
  using Bits = std::int64_t;
  using Unsigned = std::uint64_t;
  static constexpr int kMantissa = 52, kBias = 1023;
  static constexpr double kRound = 0x1.8p52;
  static constexpr double kLn2High = 6.93147180369123816490e-1, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kLowest = -746, kHighest = 710;
  static constexpr double kLeastNormal = 0x1p-1022;
  static constexpr int kLift = 512;
  static constexpr double kLower = 0x1p-512;
  static constexpr int kLogisticShift = -60;
  static constexpr double kLogisticOne = 0x1p-60, kLogisticHighest = 100, kTanhHighest = 20;
  static constexpr Bits kRootHalf = 0x3fe6a09e667f3bcd;
};

// (exp(r) - 1 - r) / r^2 for |r| <= ln(2) / 2. Float: fitted, exp(r) within 3.3e-9; double: the Taylor series.
[[gnu::always_inline]] inline float exp_tail(float r) {
  float q = 0x1.6d7a6p-10f;
  q = multiply_add(q, r, 0x1.12399ap-7f);
  q = multiply_add(q, r, 0x1.5554c0p-5f);
  q = multiply_add(q, r, 0x1.555492p-3f);
  return multiply_add(q, r, 0.5f);
}
[[gnu::always_inline]] inline double exp_tail(double r) {
  double q = 1.0 / 6227020800;
  q = multiply_add(q, r, 1.0 / 479001600);
  q = multiply_add(q, r, 1.0 / 39916800);
  q = multiply_add(q, r, 1.0 / 3628800);
  q = multiply_add(q, r, 1.0 / 362880);
  q = multiply_add(q, r, 1.0 / 40320);
  q = multiply_add(q, r, 1.0 / 5040);
  q = multiply_add(q, r, 1.0 / 720);
  q = multiply_add(q, r, 1.0 / 120);
  q = multiply_add(q, r, 1.0 / 24);
  q = multiply_add(q, r, 1.0 / 6);
  return multiply_add(q, r, 0.5);
}

template <class T>
struct ScaledExp {
  T power;     // 2^(n + shift)
  T fraction;  // exp(r) - 1
};

template <class T>
[[gnu::always_inline]] inline ScaledExp<T> scaled_exp(T x, int shift) {
  using F = FloatFormat<T>;
  using Unsigned = typename F::Unsigned;
  const T shifted = multiply_add(x, T(1.44269504088896340736), F::kRound);
  const T n = shifted - F::kRound;
  const T r = multiply_add(n, -F::kLn2Low, multiply_add(n, -F::kLn2High, x));
  Unsigned bits;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << F::kMantissa) + (static_cast<Unsigned>(F::kBias + shift) << F::kMantissa);
  T power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return {power, multiply_add(exp_tail(r), r * r, r)};
}

// exp(x) for x <= 0
template <class T>
[[gnu::always_inline]] inline T falling_exponential(T x) {
  using F = FloatFormat<T>;
  x = x < F::kLowest ? F::kLowest : x;
  const ScaledExp<T> e = scaled_exp(x, F::kLift);
  return multiply_add(e.power, e.fraction, e.power) * F::kLower;
}

template <class T>
[[gnu::always_inline]] inline T exponential(T x) {
  using F = FloatFormat<T>;
  x = x < F::kLowest ? F::kLowest : x;
  x = x > F::kHighest ? F::kHighest : x;
  const ScaledExp<T> e = scaled_exp(x, x < 0 ? F::kLift : -2);
  return multiply_add(e.power, e.fraction, e.power) * (x < 0 ? F::kLower : T(4));
}

// 1 / (1 + exp(-x)), all multiplied by kLogisticOne. The denominator's terms of very different size are added without loss: what
// one + power leaves out is added to the fraction.
template <class T>
[[gnu::always_inline]] inline T logistic(T x) {
  using F = FloatFormat<T>;
  x = x > F::kLogisticHighest ? F::kLogisticHighest : x;
  x = x < F::kLowest ? F::kLowest : x;
  const ScaledExp<T> e = scaled_exp(-x, F::kLogisticShift);
  const T sum = F::kLogisticOne + e.power, rest = F::kLogisticOne - (sum - e.power);
  return F::kLogisticOne / (multiply_add(e.power, e.fraction, rest) + sum);
}

[[gnu::always_inline]] inline float magnitude_of(float x) { return __builtin_fabsf(x); }
[[gnu::always_inline]] inline double magnitude_of(double x) { return __builtin_fabs(x); }
[[gnu::always_inline]] inline float with_sign_of(float magnitude, float x) { return __builtin_copysignf(magnitude, x); }
[[gnu::always_inline]] inline double with_sign_of(double magnitude, double x) { return __builtin_copysign(magnitude, x); }

// With g = (exp(2 |x|) - 1) / 2, tanh |x| = g / (1 + g) = b - b^2 / (1 + g) for both b = g and b = 1: the smaller one makes the
// second term a correction, whose error hardly counts.
template <class T>
[[gnu::always_inline]] inline T hyperbolic_tangent(T x) {
  using F = FloatFormat<T>;
  T magnitude = magnitude_of(x);
  magnitude = magnitude > F::kTanhHighest ? F::kTanhHighest : magnitude;
  const ScaledExp<T> e = scaled_exp(magnitude + magnitude, -1);
  const T g = multiply_add(e.power, e.fraction, e.power - T(0.5)), denominator = multiply_add(e.power, e.fraction, e.power + T(0.5));
  const T b = g > T(1) ? T(1) : g;
  return with_sign_of(multiply_add(-b, b / denominator, b), x);
}

// x = 2^k (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), s = f / (2 + f), and
// log(1 + f) = 2 (s + s^3/3 + s^5/5 + ...) = f - (h - s (h + series)), h = f^2 / 2, as in fdlibm's log.
[[gnu::always_inline]] inline float log_series(float square) {
  float q = 2.0f / 9;
  q = multiply_add(q, square, 2.0f / 7);
  q = multiply_add(q, square, 2.0f / 5);
  return multiply_add(q, square, 2.0f / 3) * square;
}
[[gnu::always_inline]] inline double log_series(double square) {
  double q = 2.0 / 23;
  q = multiply_add(q, square, 2.0 / 21);
  q = multiply_add(q, square, 2.0 / 19);
  q = multiply_add(q, square, 2.0 / 17);
  q = multiply_add(q, square, 2.0 / 15);
  q = multiply_add(q, square, 2.0 / 13);
  q = multiply_add(q, square, 2.0 / 11);
  q = multiply_add(q, square, 2.0 / 9);
  q = multiply_add(q, square, 2.0 / 7);
  q = multiply_add(q, square, 2.0 / 5);
  return multiply_add(q, square, 2.0 / 3) * square;
}

template <class T>
[[gnu::always_inline]] inline T logarithm(T x) {
  using F = FloatFormat<T>;
  using Bits = typename F::Bits;
  using Unsigned = typename F::Unsigned;
  const bool subnormal = x < F::kLeastNormal;  // or zero or negative
  const T lifted = subnormal ? x * T(Bits{1} << F::kMantissa) : x;
  Bits bits;
  __builtin_memcpy(&bits, &lifted, sizeof bits);
  const Bits k = (bits - F::kRootHalf) >> F::kMantissa;
  bits = static_cast<Bits>(static_cast<Unsigned>(bits) - (static_cast<Unsigned>(k) << F::kMantissa));
  T mantissa;
  __builtin_memcpy(&mantissa, &bits, sizeof mantissa);
  const T exponent = static_cast<T>(static_cast<std::int32_t>(subnormal ? k - F::kMantissa : k));
  const T f = mantissa - T(1), s = f / (T(2) + f), h = T(0.5) * f * f;
  const T small = multiply_add(s, h + log_series(s * s), exponent * F::kLn2Low) - h;
  T result = multiply_add(exponent, F::kLn2High, f + small);
  result = x < __builtin_inf() ? result : x;  // infinity and NaN
  result = x < 0 ? T(__builtin_nan("")) : result;
  return x == 0 ? T(-__builtin_inf()) : result;
}
