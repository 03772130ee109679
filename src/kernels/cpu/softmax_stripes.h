// Part of cpu_kernels.cpp, compiled once for each instruction set: softmaxes whose classes lie with several ranks
// (kernels/softmax_stripes.h).

template <class T>
void softmax_statistics(const SoftmaxStatistics<T>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* __restrict const logits = k.logits + row * k.stride;
    double* const numbers = k.numbers + row * kSoftmaxNumbers;
    const std::int64_t target = k.targets[row];
    if (k.classes == 0) {
      numbers[0] = -__builtin_inf(), numbers[1] = 0, numbers[2] = 0;
      continue;
    }
    const T largest = largest_of(logits, k.classes);
    numbers[0] = static_cast<double>(largest);
    numbers[2] = target < 0 ? 0.0 : static_cast<double>(logits[target]);
    numbers[1] = k.keep_exponentials ? exponentials<true>(logits, k.classes, largest) : exponentials<false>(logits, k.classes, largest);
  }
}

template <class T>
void softmax_gradient(const SoftmaxGradient<T>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* __restrict const values = k.exponentials + row * k.stride;
    const T scale = k.scale[row];
    const T factor = static_cast<T>(static_cast<double>(scale) * falling_exponential(k.numbers[row * kSoftmaxNumbers] - k.log_normaliser[row]));
    for (std::int64_t n = 0; n < k.classes; ++n) values[n] *= factor;
    if (const std::int64_t target = k.targets[row]; target >= 0) values[target] -= scale;
  }
}
