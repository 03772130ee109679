// The specification of every kernel: plain loops, the standard library's functions, no thought of speed.
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/table.h"

namespace trellis {
namespace {

#include "kernels/reference_updates.h"

template <class T>
T widened(T value) {
  return value;
}
float widened(BFloat16 value) { return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16); }

template <class A>
A rounded(Compute<A> value) {
  return value;
}
template <>
BFloat16 rounded<BFloat16>(float value) {
  if (std::isnan(value)) return {0x7fc0};
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t half = 0x7fff + ((bits >> 16) & 1);  // half a unit of what stays, and to even where it is just half
  return {static_cast<std::uint16_t>((bits + half) >> 16)};
}

template <class T>
T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

// Where gate `q` of channel n lies in a row of gates.
template <class K>
std::int64_t gate_at(const K& k, std::int64_t q, std::int64_t n) {
  const std::int64_t size = k.channels / k.blocks, block = n / size;
  return (block * 4 + q) * size + n % size;
}

template <class A>
void gates_forward(const GatesForward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  const std::int64_t H = k.channels, O = k.outputs;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t lane = row % k.lanes;
    for (std::int64_t n = 0; n < H; ++n) {
      T a[4];
      for (std::int64_t q = 0; q < 4; ++q) {
        const std::int64_t at = gate_at(k, q, n);
        a[q] = widened(k.gates[row * 4 * H + at]) + k.bias[at];
        if (k.injection) a[q] += widened(k.injection[row * 4 * H + at]);
      }
      const T i = sigmoid(a[0]), o = sigmoid(a[1]), g = std::tanh(a[2]), f = sigmoid(a[3]);
      const T c = f * k.previous_cell[row * H + n] + i * g, h = o * std::tanh(c);
      const T activation[4] = {i, o, g, f};
      for (std::int64_t q = 0; q < 4; ++q) k.gates[row * 4 * H + gate_at(k, q, n)] = rounded<A>(activation[q]);
      k.cell[row * H + n] = c;
      k.hidden[row * H + n] = rounded<A>(k.hidden_mask ? h * k.hidden_mask[lane * H + n] : h);
      for (int out = 0; out < k.output_count && n >= H - O; ++out) {
        const std::int64_t m = n - (H - O);
        k.output[out].values[row * O + m] = k.output[out].mask ? h * k.output[out].mask[lane * O + m] : h;
      }
    }
  }
}

template <class A>
void gates_backward(const GatesBackward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  const std::int64_t H = k.channels, O = k.outputs;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t lane = row % k.lanes;
    for (std::int64_t n = 0; n < H; ++n) {
      A* const gate = k.gates + row * 4 * H;
      const auto activation = [&](std::int64_t q) { return widened(gate[gate_at(k, q, n)]); };
      const T i = activation(0), o = activation(1), g = activation(2), f = activation(3);
      const T tanh_c = std::tanh(k.cell[row * H + n]);
      T dh = k.d_hidden ? widened(k.d_hidden[row * H + n]) * (k.hidden_mask ? k.hidden_mask[lane * H + n] : T(1)) : T(0);
      for (int out = 0; out < k.output_count && n >= H - O; ++out) {
        const std::int64_t m = n - (H - O);
        dh += k.output[out].values[row * O + m] * (k.output[out].mask ? k.output[out].mask[lane * O + m] : T(1));
      }
      const T dc = dh * o * (T(1) - tanh_c * tanh_c) + (k.d_cell ? k.d_cell[row * H + n] : T(0));
      const T da[4] = {dc * g * i * (T(1) - i), dh * tanh_c * o * (T(1) - o), dc * i * (T(1) - g * g),
                       dc * k.previous_cell[row * H + n] * f * (T(1) - f)};
      if (k.d_previous_cell) k.d_previous_cell[row * H + n] = dc * f;
      for (std::int64_t q = 0; q < 4; ++q) {
        const std::int64_t at = gate_at(k, q, n);
        gate[at] = rounded<A>(da[q]);
        if (!k.d_injection) continue;
        T& sum = k.d_injection[row * 4 * H + at];
        sum = k.add_to_injection ? sum + da[q] : da[q];
      }
    }
  }
}

template <class T>
T mask_value(const KernelMask<T>& mask, std::int64_t element, bool last_tap) {
  if (mask.given) return mask.given[element];
  if (last_tap || mask.threshold == 0) return T(1);
  return mask.stream.word(static_cast<std::uint64_t>(element)) < mask.threshold ? T(0) : mask.scale;
}

// u = v times its mask, one row of it
template <class T>
std::vector<T> masked_row(const T* direction, const KernelMask<T>& mask, std::int64_t row, std::int64_t taps,
                          std::int64_t channels) {
  const std::int64_t width = taps * channels;
  std::vector<T> values(static_cast<std::size_t>(width));
  for (std::int64_t n = 0; n < width; ++n) {
    values[static_cast<std::size_t>(n)] =
        direction[row * width + n] * mask_value(mask, row * width + n, n >= width - channels);
  }
  return values;
}

template <class T>
T norm(const std::vector<T>& values) {
  T sum = 0;
  for (const T v : values) sum += v * v;
  return std::sqrt(sum);
}

template <class A>
void effective_kernel_forward(const EffectiveKernelForward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  const std::int64_t width = k.taps * k.channels;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::vector<T> u = masked_row(k.direction, k.mask, row, k.taps, k.channels);
    const T length = norm(u), factor = !k.gain ? T(1) : length > 0 ? k.gain[row] / length : T(0);
    for (std::int64_t n = 0; n < width; ++n) k.kernel[row * width + n] = rounded<A>(factor * u[static_cast<std::size_t>(n)]);
  }
}

template <class T>
void effective_kernel_backward(const EffectiveKernelBackward<T>& k, Range rows, void*) {
  const std::int64_t width = k.taps * k.channels;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* const d = k.d_kernel + row * width;
    if (k.gain) {
      const std::vector<T> u = masked_row(k.direction, k.mask, row, k.taps, k.channels);
      const T length = norm(u), inverse = length > 0 ? T(1) / length : T(0);
      T along = 0;  // <dw, u> / ||u||
      for (std::int64_t n = 0; n < width; ++n) along += d[n] * u[static_cast<std::size_t>(n)];
      along *= inverse;
      k.d_gain[row] = along;
      for (std::int64_t n = 0; n < width; ++n) {
        d[n] = k.gain[row] * inverse * (d[n] - along * inverse * u[static_cast<std::size_t>(n)]);
      }
    }
    for (std::int64_t n = 0; n < width; ++n) d[n] *= mask_value(k.mask, row * width + n, n >= width - k.channels);
  }
}

template <class A>
void embedding_forward(const EmbeddingForward<A>& k, Range rows, void*) {
  using T = Compute<A>;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t token = k.tokens[row], lane = row % k.lanes;
    for (std::int64_t n = 0; n < k.channels; ++n) {
      T value = k.table[token * k.channels + n];
      if (k.word_mask) value *= k.word_mask[token];
      if (k.input_mask) value *= k.input_mask[lane * k.channels + n];
      k.values[row * k.channels + n] = rounded<A>(value);
    }
  }
}

template <class A>
void embedding_backward(const EmbeddingBackward<A>& k, Range channels, void*) {
  using T = Compute<A>;
  for (std::int64_t row = 0; row < k.rows; ++row) {
    const std::int64_t token = k.tokens[row], lane = row % k.lanes;
    for (std::int64_t n = channels.begin; n < channels.end; ++n) {
      T gradient = widened(k.d_values[row * k.channels + n]);
      if (k.word_mask) gradient *= k.word_mask[token];
      if (k.input_mask) gradient *= k.input_mask[lane * k.channels + n];
      k.d_table[token * k.channels + n] += gradient;
    }
  }
}

template <class A>
void gather_steps(const GatherSteps<A>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t place = k.places[row / k.lanes], lane = row % k.lanes;
    for (std::int64_t n = 0; n < k.channels; ++n) {
      k.values[row * k.stride + n] = place < 0 ? A{} : k.source[(place * k.lanes + lane) * k.channels + n];
    }
  }
}

template <class A>
void scatter_add_steps(const ScatterAddSteps<A>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const std::int64_t place = k.places[row / k.lanes], lane = row % k.lanes;
    for (std::int64_t n = 0; place >= 0 && n < k.channels; ++n) {
      A& sum = k.sums[(place * k.lanes + lane) * k.channels + n];
      sum = rounded<A>(widened(sum) + widened(k.values[row * k.stride + n]));
    }
  }
}

template <class T>
void cross_entropy(const CrossEntropy<T>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* const logits = k.logits + row * k.stride;
    T largest = logits[0];
    for (std::int64_t n = 1; n < k.classes; ++n) largest = std::max(largest, logits[n]);
    double sum = 0;
    for (std::int64_t n = 0; n < k.classes; ++n) sum += std::exp(static_cast<double>(logits[n] - largest));
    k.loss[row] = std::log(sum) + static_cast<double>(largest - logits[k.targets[row]]);
    if (!k.scale) continue;
    for (std::int64_t n = 0; n < k.classes; ++n) {
      logits[n] = k.scale[row] * static_cast<T>(std::exp(static_cast<double>(logits[n] - largest)) / sum);
    }
    logits[k.targets[row]] -= k.scale[row];
  }
}

template <class T>
void softmax_statistics(const SoftmaxStatistics<T>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* const logits = k.logits + row * k.stride;
    double largest = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::int64_t n = 0; n < k.classes; ++n) largest = std::max(largest, static_cast<double>(logits[n]));
    const double at_target = k.targets[row] < 0 ? 0 : static_cast<double>(logits[k.targets[row]]);
    for (std::int64_t n = 0; n < k.classes; ++n) {
      const double e = std::exp(static_cast<double>(logits[n]) - largest);
      sum += e;
      if (k.keep_exponentials) logits[n] = static_cast<T>(e);
    }
    double* const numbers = k.numbers + row * kSoftmaxNumbers;
    numbers[0] = largest, numbers[1] = sum, numbers[2] = at_target;
  }
}

template <class T>
void softmax_gradient(const SoftmaxGradient<T>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    T* const values = k.exponentials + row * k.stride;
    const double factor = std::exp(k.numbers[row * kSoftmaxNumbers] - k.log_normaliser[row]);
    for (std::int64_t n = 0; n < k.classes; ++n) values[n] = k.scale[row] * static_cast<T>(factor * static_cast<double>(values[n]));
    if (k.targets[row] >= 0) values[k.targets[row]] -= k.scale[row];
  }
}

template <class T>
void dropout_mask(T* mask, const RandomStream& stream, std::uint64_t threshold, T scale, Range elements, void*) {
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    mask[n - elements.begin] = stream.word(static_cast<std::uint64_t>(n)) < threshold ? T(0) : scale;
  }
}

template <class T>
void squared_norm(const T* values, std::int64_t count, double* sums, Range blocks, void*) {
  for (std::int64_t block = blocks.begin; block < blocks.end; ++block) {
    double sum = 0;
    for (std::int64_t n = block * kNormBlock; n < std::min(count, (block + 1) * kNormBlock); ++n) {
      sum += static_cast<double>(values[n]) * static_cast<double>(values[n]);
    }
    sums[block] = sum;
  }
}

template <class A>
void round_elements(const RoundElements<A>& k, Range elements, void*) {
  for (std::int64_t n = elements.begin; n < elements.end; ++n) k.values[n] = rounded<A>(k.from[n]);
}

template <class A>
void widen_rows(const WidenRows<A>& k, Range rows, void*) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    for (std::int64_t n = 0; n < k.columns; ++n) {
      Compute<A>& sum = k.sums[row * k.stride + n];
      const Compute<A> value = widened(k.values[row * k.columns + n]);
      sum = k.add ? sum + value : value;
    }
  }
}

template <class A>
void column_sums(const ColumnSums<A>& k, Range columns, void*) {
  for (std::int64_t n = columns.begin; n < columns.end; ++n) {
    for (std::int64_t first = 0; first < k.rows; first += kColumnSumRows) {
      Compute<A> sum = 0;
      for (std::int64_t row = first; row < std::min(k.rows, first + kColumnSumRows); ++row) sum += widened(k.values[row * k.stride + n]);
      k.sums[n] += sum;
    }
  }
}

template <class A>
void level_sums(const LevelSums<A>& k, Range elements, void*) {
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    Compute<A> sum = 0;
    for (std::int64_t place = 0; place < k.count; ++place) sum += widened(k.values[k.places[place] * k.distance + n]);
    k.sums[n] = rounded<A>(sum);
  }
}

void split_rows(const SplitRows& k, Range rows, void*) {
  const bool first = k.factor == SplitRows::Factor::first;
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    BFloat16* const parts = k.parts + row * 3 * k.columns;
    for (std::int64_t n = 0; n < k.columns; ++n) {
      const float value = k.from[row * k.stride + n];
      const BFloat16 high = rounded<BFloat16>(value), low = rounded<BFloat16>(value - widened(high));
      parts[n] = high;
      parts[k.columns + n] = first ? high : low;
      parts[2 * k.columns + n] = first ? low : high;
    }
  }
}

template <class T>
void apply_function(const ApplyFunction<T>& k, Range elements, void*) {
  for (std::int64_t n = elements.begin; n < elements.end; ++n) {
    T& x = k.values[n];
    switch (k.function) {
      case ElementFunction::exponential: x = std::exp(x); break;
      case ElementFunction::logarithm: x = std::log(x); break;
      case ElementFunction::hyperbolic_tangent: x = std::tanh(x); break;
      case ElementFunction::logistic: x = sigmoid(x); break;
    }
  }
}

}  // namespace

template <class A>
const KernelTable<A>& reference_kernels() {
  using T = Compute<A>;
  static const KernelTable<A> table{"reference",
                                    gates_forward<A>,
                                    gates_backward<A>,
                                    effective_kernel_forward<A>,
                                    effective_kernel_backward<T>,
                                    embedding_forward<A>,
                                    embedding_backward<A>,
                                    gather_steps<A>,
                                    scatter_add_steps<A>,
                                    cross_entropy<T>,
                                    softmax_statistics<T>,
                                    softmax_gradient<T>,
                                    sgd_update<T>,
                                    adam_update<T>,
                                    lamb_moments<T>,
                                    lamb_trust<T>,
                                    lamb_apply<T>,
                                    dropout_mask<T>,
                                    squared_norm<T>,
                                    round_elements<A>,
                                    widen_rows<A>,
                                    column_sums<A>,
                                    level_sums<A>,
                                    split_rows,
                                    apply_function<T>};
  return table;
}
template const KernelTable<float>& reference_kernels<float>();
template const KernelTable<double>& reference_kernels<double>();
template const KernelTable<BFloat16>& reference_kernels<BFloat16>();

}  // namespace trellis
