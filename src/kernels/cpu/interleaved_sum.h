// Sums whose order is told and not the compiler's: of every 16 terms, each goes to a partial sum of its own; the last ones, fewer
// than 16, to the first partial sums, 8, 4, 2 and 1 at a time; then the partial sums are added by halves. One order for all
// instruction sets, wide enough for the widest.
// Included only by cpu_kernels.cpp, inside the namespace of one instruction set.

constexpr int kPartialSums = 16;

// add(k, n): what term n adds to partial sum k.
template <int Width, class Add>
[[gnu::always_inline]] inline void add_rest(std::int64_t n, std::int64_t end, const Add& add) {
  if (n + Width <= end) {
#pragma omp simd
    for (int k = 0; k < Width; ++k) add(k, n + k);
    n += Width;
  }
  if constexpr (Width > 1) add_rest<Width / 2>(n, end, add);
}

template <class Add>
[[gnu::always_inline]] inline void add_terms(std::int64_t begin, std::int64_t end, const Add& add) {
  std::int64_t n = begin;
  for (; n + kPartialSums <= end; n += kPartialSums) {
#pragma omp simd
    for (int k = 0; k < kPartialSums; ++k) add(k, n + k);
  }
  add_rest<kPartialSums / 2>(n, end, add);
}

template <class T>
[[gnu::always_inline]] inline T sum_by_halves(T (&sums)[kPartialSums]) {
  for (int half = kPartialSums / 2; half > 0; half /= 2) {
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  }
  return sums[0];
}

// term(begin) + ... + term(end - 1); a term may store what it computes.
template <class T, class Term>
[[gnu::always_inline]] inline T interleaved_sum(std::int64_t begin, std::int64_t end, const Term& term) {
  T sums[kPartialSums] = {};
  add_terms(begin, end, [&](int k, std::int64_t n) { sums[k] += term(n); });
  return sum_by_halves(sums);
}

// The largest of values [count], count > 0, NaN left out.
template <class T>
[[gnu::always_inline]] inline T largest_of(const T* values, std::int64_t count) {
  T largest[kPartialSums];
  for (T& partial : largest) partial = values[0];
  add_terms(0, count, [&](int k, std::int64_t n) { largest[k] = values[n] > largest[k] ? values[n] : largest[k]; });
  for (const T partial : largest) largest[0] = partial > largest[0] ? partial : largest[0];
  return largest[0];
}

template <class T>
struct TwoSums {
  T first = 0, second = 0;
};

// The same for two sums of terms that are made together.
template <class T, class Terms>
[[gnu::always_inline]] inline TwoSums<T> two_interleaved_sums(std::int64_t begin, std::int64_t end, const Terms& terms) {
  T first[kPartialSums] = {}, second[kPartialSums] = {};
  add_terms(begin, end, [&](int k, std::int64_t n) {
    const TwoSums<T> both = terms(n);
    first[k] += both.first, second[k] += both.second;
  });
  return {sum_by_halves(first), sum_by_halves(second)};
}
