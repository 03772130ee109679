// The fused gates, forward and backward, in loops over blocks of channels that stay in registers and the first-level cache.
// Included only by cpu_kernels.cpp, inside the namespace of one instruction set.

template <class A>
void gates_forward(const GatesForward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  const std::int64_t H = k.channels, O = k.outputs, S = H / k.blocks;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t lane = row % k.lanes;
    for (std::int64_t base = 0; base < H; base += S) {  // one block of channels, whose gates begin at 4 base
      A* __restrict const gate = k.gates + row * 4 * H + 4 * base;
      const T* __restrict const bias = k.bias + 4 * base;
      const A* __restrict const injection = k.injection ? k.injection + row * 4 * H + 4 * base : nullptr;
      const T* __restrict const previous = k.previous_cell + row * H + base;
      const T* __restrict const mask = k.hidden_mask ? k.hidden_mask + lane * H + base : nullptr;
      T* __restrict const cell = k.cell + row * H + base;
      A* __restrict const hidden = k.hidden + row * H + base;
      const std::int64_t hidden_only = H - O - base;  // channels of this block before the first output; may be below 0
      for (std::int64_t first = 0; first < S; first += kBlock) {
        const std::int64_t last = first + kBlock < S ? first + kBlock : S;
        T h[kBlock], a[4][kBlock];  // sums of up to three terms, not rounded on the way
        for (std::int64_t q = 0; q < 4; ++q) {
          if (injection) {
            for (std::int64_t n = first; n < last; ++n) a[q][n - first] = widened(gate[q * S + n]) + bias[q * S + n] + widened(injection[q * S + n]);
          } else {
            for (std::int64_t n = first; n < last; ++n) a[q][n - first] = widened(gate[q * S + n]) + bias[q * S + n];
          }
        }
#pragma omp simd
        for (std::int64_t n = first; n < last; ++n) {
          const T i = logistic(a[0][n - first]);
          const T o = logistic(a[1][n - first]);
          const T g = hyperbolic_tangent(a[2][n - first]);
          const T f = logistic(a[3][n - first]);
          const T c = multiply_add(f, previous[n], i * g);
          store(gate[n], i), store(gate[S + n], o), store(gate[2 * S + n], g), store(gate[3 * S + n], f);
          cell[n] = c;
          h[n - first] = o * hyperbolic_tangent(c);
        }
        if (mask) {
          for (std::int64_t n = first; n < last; ++n) store(hidden[n], h[n - first] * mask[n]);
        } else {
          for (std::int64_t n = first; n < last; ++n) store(hidden[n], h[n - first]);
        }
        for (int out = 0; out < k.output_count; ++out) {
          T* __restrict const values = k.output[out].values + row * O;
          const T* __restrict const output_mask = k.output[out].mask ? k.output[out].mask + lane * O : nullptr;
          for (std::int64_t n = first > hidden_only ? first : hidden_only; n < last; ++n) {
            const std::int64_t m = n - hidden_only;
            values[m] = output_mask ? h[n - first] * output_mask[m] : h[n - first];
          }
        }
      }
    }
  }
}

template <class A>
void gates_backward(const GatesBackward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  const std::int64_t H = k.channels, O = k.outputs, S = H / k.blocks;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t lane = row % k.lanes;
    for (std::int64_t base = 0; base < H; base += S) {  // one block of channels, whose gates begin at 4 base
      A* __restrict const gate = k.gates + row * 4 * H + 4 * base;
      const T* __restrict const cell = k.cell + row * H + base;
      const T* __restrict const previous = k.previous_cell + row * H + base;
      const T* __restrict const mask = k.hidden_mask ? k.hidden_mask + lane * H + base : nullptr;
      const A* __restrict const d_hidden = k.d_hidden ? k.d_hidden + row * H + base : nullptr;
      const T* __restrict const d_cell = k.d_cell ? k.d_cell + row * H + base : nullptr;
      T* __restrict const d_previous = k.d_previous_cell ? k.d_previous_cell + row * H + base : nullptr;
      T* __restrict const injection = k.d_injection ? k.d_injection + row * 4 * H + 4 * base : nullptr;
      const std::int64_t hidden_only = H - O - base;  // channels of this block before the first output; may be below 0
      for (std::int64_t first = 0; first < S; first += kBlock) {
        const std::int64_t last = first + kBlock < S ? first + kBlock : S;
        T dh[kBlock], dc[kBlock], da[4][kBlock];
        for (std::int64_t n = first; n < last; ++n) dh[n - first] = d_hidden ? widened(d_hidden[n]) : T(0);
        if (mask) {
          for (std::int64_t n = first; n < last; ++n) dh[n - first] *= mask[n];
        }
        for (std::int64_t n = first; n < last; ++n) dc[n - first] = d_cell ? d_cell[n] : T(0);
        for (int out = 0; out < k.output_count; ++out) {
          const T* __restrict const values = k.output[out].values + row * O;
          const T* __restrict const output_mask = k.output[out].mask ? k.output[out].mask + lane * O : nullptr;
          for (std::int64_t n = first > hidden_only ? first : hidden_only; n < last; ++n) {
            const std::int64_t m = n - hidden_only;
            dh[n - first] += output_mask ? values[m] * output_mask[m] : values[m];
          }
        }
#pragma omp simd
        for (std::int64_t n = first; n < last; ++n) {
          const T i = widened(gate[n]), o = widened(gate[S + n]), g = widened(gate[2 * S + n]), f = widened(gate[3 * S + n]);
          const T tanh_c = hyperbolic_tangent(cell[n]);
          const T dh_n = dh[n - first];
          const T dc_n = multiply_add(dh_n * o, multiply_add(-tanh_c, tanh_c, T(1)), dc[n - first]);
          da[0][n - first] = dc_n * g * i * (T(1) - i);
          da[1][n - first] = dh_n * tanh_c * o * (T(1) - o);
          da[2][n - first] = dc_n * i * multiply_add(-g, g, T(1));
          da[3][n - first] = dc_n * previous[n] * f * (T(1) - f);
          dc[n - first] = dc_n * f;
        }
        if (d_previous) {
          for (std::int64_t n = first; n < last; ++n) d_previous[n] = dc[n - first];
        }
        for (std::int64_t q = 0; q < 4; ++q) {
          for (std::int64_t n = first; n < last; ++n) store(gate[q * S + n], da[q][n - first]);
          if (!injection) continue;
          if (k.add_to_injection) {
            for (std::int64_t n = first; n < last; ++n) injection[q * S + n] += da[q][n - first];
          } else {
            for (std::int64_t n = first; n < last; ++n) injection[q * S + n] = da[q][n - first];
          }
        }
      }
    }
  }
}
