// The three kernels of LAMB's update (kernels/optimizer_update.h). Included by cpu_kernels.cpp inside its namespace, so it
// opens none and includes nothing.

template <class T>
T square_root(T x) {
  if constexpr (sizeof(T) == sizeof(float)) return __builtin_sqrtf(x);
  else return __builtin_sqrt(x);
}

template <class T>
void lamb_moments(const LambUpdate<T>& k, Range blocks, void*) {
  const T* __restrict const w = k.weights;
  const T* __restrict const g = k.gradient;
  T* __restrict const m = k.mean;
  T* __restrict const v = k.variance;
  // by value, since a store to the moments might change what k refers to, as far as the compiler knows
  const T scale = static_cast<T>(*k.gradient_scale), inverse_correction = T(1) / k.variance_correction, mean_correction = k.mean_correction;
  const T beta1_complement = k.beta1_complement, beta2 = k.beta2, beta2_complement = k.beta2_complement, epsilon = k.epsilon;
  if (scale != scale) return;
  for (std::int64_t b = blocks.begin; b < blocks.end; ++b) {
    const T decay = k.tensors[k.blocks[b].tensor].decayed ? k.weight_decay : T(0);
    const auto sums = two_interleaved_sums<double>(k.blocks[b].begin, k.blocks[b].end, [=](std::int64_t n) -> TwoSums<double> {
      const T d = scale * g[n];
      const T mean = m[n] + beta1_complement * (d - m[n]);
      const T variance = beta2 * v[n] + beta2_complement * d * d;
      m[n] = mean;
      v[n] = variance;
      const T u = mean * mean_correction / (square_root(variance) * inverse_correction + epsilon) + decay * w[n];
      return {static_cast<double>(w[n]) * static_cast<double>(w[n]), static_cast<double>(u) * static_cast<double>(u)};
    });
    k.weight_sums[b] = sums.first;
    k.direction_sums[b] = sums.second;
  }
}

template <class T>
void lamb_trust(const LambUpdate<T>& k, Range tensors, void*) {
  for (std::int64_t t = tensors.begin; t < tensors.end; ++t) {
    double weight_sum = 0, direction_sum = 0;
    for (std::int64_t b = k.tensors[t].first_block; b < k.tensors[t].end_block; ++b) {
      weight_sum += k.weight_sums[b];
      direction_sum += k.direction_sums[b];
    }
    k.trust[t] = weight_sum > 0 && direction_sum > 0 ? square_root(weight_sum / direction_sum) : 1;
  }
}

template <class T>
void lamb_apply(const LambUpdate<T>& k, Range blocks, void*) {
  T* __restrict const w = k.weights;
  const T* __restrict const m = k.mean;
  const T* __restrict const v = k.variance;
  const T inverse_correction = T(1) / k.variance_correction;
  if (*k.gradient_scale != *k.gradient_scale) return;
  for (std::int64_t b = blocks.begin; b < blocks.end; ++b) {
    const T decay = k.tensors[k.blocks[b].tensor].decayed ? k.weight_decay : T(0);
    const T rate = static_cast<T>(static_cast<double>(k.learning_rate) * k.trust[k.blocks[b].tensor]);
    for (std::int64_t n = k.blocks[b].begin; n < k.blocks[b].end; ++n) {
      w[n] -= rate * (m[n] * k.mean_correction / (square_root(v[n]) * inverse_correction + k.epsilon) + decay * w[n]);
    }
  }
}
