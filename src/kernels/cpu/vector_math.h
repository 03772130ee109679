// exp, tanh and the logistic function as branch-free arithmetic that a compiler turns into vector code; for float and
// double. Absolute error below 2 units in the last place of 1, relative error of tanh near 0 likewise. NaN gives NaN.
//
// exp(x) = 2^n exp(r), |r| <= ln(2)/2, by a Taylor polynomial of exp(r) - 1: keeping the 1 apart keeps small results exact.
// Included only by cpu_kernels.cpp, inside the namespace of one instruction set.

template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  using Bits = std::int32_t;
  static constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  static constexpr int kMantissa = 23;
  static constexpr float kLn2High = 0.693145752f, kLn2Low = 1.42860677e-6f;
  static constexpr float kLargest = 88.0f;
};
template <>
struct ExpConstants<double> {
  using Bits = std::int64_t;
  static constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr int kMantissa = 52;
  static constexpr double kLn2High = 6.93147180369123816490e-1, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kLargest = 708.0;
};

template <class T>
struct ScaledExp {
  T power;           // 2^n
  T fraction;        // exp(r) - 1
};

inline float expm1_polynomial(float r) {
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  return p * r * r + r;
}
inline double expm1_polynomial(double r) {
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  return p * r * r + r;
}

template <class T>
inline ScaledExp<T> scaled_exp(T x) {
  using C = ExpConstants<T>;
  using Bits = typename C::Bits;
  x = x > C::kLargest ? C::kLargest : x;
  x = x < -C::kLargest + 1 ? -C::kLargest + 1 : x;
  const T shifted = x * T(1.44269504088896340736) + C::kRound;
  const T n = shifted - C::kRound;
  const T r = (x - n * C::kLn2High) - n * C::kLn2Low;
  Bits bits, one;
  const T unit = 1;
  __builtin_memcpy(&bits, &shifted, sizeof bits);
  __builtin_memcpy(&one, &unit, sizeof one);
  using Unsigned = std::make_unsigned_t<Bits>;
  bits = static_cast<Bits>((static_cast<Unsigned>(bits) << C::kMantissa) + static_cast<Unsigned>(one));
  T power;
  __builtin_memcpy(&power, &bits, sizeof power);
  return {power, expm1_polynomial(r)};
}

template <class T>
inline T exponential(T x) {
  const ScaledExp<T> e = scaled_exp(x);
  return e.power + e.power * e.fraction;
}

template <class T>
inline T logistic(T x) {
  return T(1) / (T(1) + exponential(-x));
}

// tanh(x) = -m / (2 + m) sign(x), m = exp(-2 |x|) - 1
template <class T>
inline T hyperbolic_tangent(T x) {
  const T magnitude = x < 0 ? -x : x;
  const ScaledExp<T> e = scaled_exp(T(-2) * magnitude);
  const T m = (e.power - T(1)) + e.power * e.fraction;
  const T value = -m / (T(2) + m);
  return x < 0 ? -value : value;
}
