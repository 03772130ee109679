// Sums over rows (kernels/column_sums.h) and over levels (kernels/level_sums.h), a block of columns at a time.
// Included only by cpu_kernels.cpp, inside the namespace of one instruction set, behind kBlock.

template <class A>
void column_sums(const ColumnSums<A>& k, Range columns, void*) {
  Compute<A> sum[kBlock];
  for (std::int64_t begin = columns.begin; begin < columns.end; begin += kBlock) {
    const std::int64_t width = begin + kBlock < columns.end ? kBlock : columns.end - begin;
    Compute<A>* __restrict const sums = k.sums + begin;
    for (std::int64_t first = 0; first < k.rows; first += kColumnSumRows) {
      const std::int64_t last = first + kColumnSumRows < k.rows ? first + kColumnSumRows : k.rows;
      for (std::int64_t n = 0; n < width; ++n) sum[n] = 0;
      for (std::int64_t row = first; row < last; ++row) {
        const A* __restrict const values = k.values + row * k.stride + begin;
        for (std::int64_t n = 0; n < width; ++n) sum[n] += widened(values[n]);
      }
      for (std::int64_t n = 0; n < width; ++n) sums[n] += sum[n];
    }
  }
}

template <class A>
void level_sums(const LevelSums<A>& k, Range elements, void*) {
  Compute<A> sum[kBlock];
  for (std::int64_t begin = elements.begin; begin < elements.end; begin += kBlock) {
    const std::int64_t width = begin + kBlock < elements.end ? kBlock : elements.end - begin;
    for (std::int64_t n = 0; n < width; ++n) sum[n] = 0;
    for (std::int64_t place = 0; place < k.count; ++place) {
      const A* __restrict const values = k.values + k.places[place] * k.distance + begin;
      for (std::int64_t n = 0; n < width; ++n) sum[n] += widened(values[n]);
    }
    A* __restrict const sums = k.sums + begin;
    for (std::int64_t n = 0; n < width; ++n) store(sums[n], sum[n]);
  }
}
