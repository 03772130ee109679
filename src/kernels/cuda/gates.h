// The fused gates on a GPU (kernels/gates.h): one pass over memory, a thread works on N neighbouring channels of a row.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/vector.h"
#include "kernels/gates.h"

namespace trellis::cuda {

// One channel: what goes into the gates becomes their activations and the cell. Returns h.
template <class T>
TRELLIS_HOST_DEVICE inline T cell_forward(T (&gate)[4], T previous_cell, T& cell) {
  gate[0] = logistic(gate[0]), gate[1] = logistic(gate[1]), gate[2] = hyperbolic_tangent(gate[2]), gate[3] = logistic(gate[3]);
  cell = gate[3] * previous_cell + gate[0] * gate[2];
  return gate[1] * hyperbolic_tangent(cell);
}

// One channel: activations become the gradient of what went into them; d_cell that of the cell, then of the one below.
template <class T>
TRELLIS_HOST_DEVICE inline void cell_backward(T (&gate)[4], T cell, T previous_cell, T d_hidden, T& d_cell) {
  const T i = gate[0], o = gate[1], g = gate[2], f = gate[3];
  const T tanh_c = hyperbolic_tangent(cell);
  const T dc = d_cell + d_hidden * o * (T(1) - tanh_c * tanh_c);
  gate[0] = dc * g * i * (T(1) - i);
  gate[1] = d_hidden * tanh_c * o * (T(1) - o);
  gate[2] = dc * i * (T(1) - g * g);
  gate[3] = dc * previous_cell * f * (T(1) - f);
  d_cell = dc * f;
}

// Where a thread's N channels lie.
struct GatePlace {
  std::int64_t row, lane, channel, gate;  // gate: of gate 0 in [rows, 4H]; gate q lies q * size further
  std::int64_t size;                      // channels of a block of gates
};
template <int N, class K>
TRELLIS_HOST_DEVICE inline GatePlace gate_place(const K& k, std::int64_t first_row, std::int64_t item) {
  const Division in_row = divide(item, k.channels / N);
  const std::int64_t row = first_row + in_row.quotient, channel = in_row.rest * N, size = k.channels / k.blocks;
  const std::int64_t block = k.blocks == 1 ? 0 : divide(channel, size).quotient;
  return {row, divide(row, k.lanes).rest, channel, row * 4 * k.channels + 3 * block * size + channel, size};
}

// Outputs are the last O channels; whole groups of N where O is a multiple of N, as the launcher makes sure.
template <int N, class A>
struct GatesForwardBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  using T = Compute<A>;
  GatesForward<A> k;
  std::int64_t first_row, items;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t item = number * kThreads + thread;
      if (item >= items) return;
      const GatePlace at = gate_place<N>(k, first_row, item);
      const std::int64_t cell_at = at.row * k.channels + at.channel;
      const std::int64_t bias_at = at.gate - at.row * 4 * k.channels;
      // everything is loaded before anything is used, so that a thread waits for memory once
      T gate[4][N], injected[4][N] = {}, bias[4][N], previous[N], cell[N], h[N], more[N];
      for (int q = 0; q < 4; ++q) load<N>(k.gates + at.gate + q * at.size, gate[q]);
      load<N>(k.previous_cell + cell_at, previous);
      for (int q = 0; q < 4; ++q) load<N>(k.bias + bias_at + q * at.size, bias[q]);
      if (k.injection) {
        for (int q = 0; q < 4; ++q) load<N>(k.injection + at.gate + q * at.size, injected[q]);
      }
      for (int q = 0; q < 4; ++q) {
        for (int n = 0; n < N; ++n) gate[q][n] += bias[q][n] + injected[q][n];
      }
      for (int n = 0; n < N; ++n) {
        T of_channel[4] = {gate[0][n], gate[1][n], gate[2][n], gate[3][n]};
        h[n] = cell_forward(of_channel, previous[n], cell[n]);
        for (int q = 0; q < 4; ++q) gate[q][n] = of_channel[q];
      }
      for (int q = 0; q < 4; ++q) store<N>(k.gates + at.gate + q * at.size, gate[q]);
      store<N>(k.cell + cell_at, cell);
      masked(k.hidden_mask, at.lane * k.channels + at.channel, h, more);
      store<N>(k.hidden + cell_at, more);
      const std::int64_t output = at.channel - (k.channels - k.outputs);
      if (output < 0) return;
      for (int out = 0; out < k.output_count; ++out) {
        masked(k.output[out].mask, at.lane * k.outputs + output, h, more);
        store<N>(k.output[out].values + at.row * k.outputs + output, more);
      }
    });
  }

 private:
  TRELLIS_HOST_DEVICE static void masked(const T* mask, std::int64_t at, const T (&values)[N], T (&result)[N]) {
    for (int n = 0; n < N; ++n) result[n] = values[n];
    if (!mask) return;
    T factors[N];
    load<N>(mask + at, factors);
    for (int n = 0; n < N; ++n) result[n] *= factors[n];
  }
};

template <int N, class A>
struct GatesBackwardBody {
  static constexpr int kThreads = cuda::kThreads;
  using Shared = NothingShared;
  using T = Compute<A>;
  GatesBackward<A> k;
  std::int64_t first_row, items;

  template <class Block>
  TRELLIS_HOST_DEVICE void operator()(Block block, std::int64_t number, Shared&) const {
    block.each([&](int thread) {
      const std::int64_t item = number * kThreads + thread;
      if (item >= items) return;
      const GatePlace at = gate_place<N>(k, first_row, item);
      const std::int64_t cell_at = at.row * k.channels + at.channel;
      T gate[4][N], cell[N], previous[N], d_hidden[N] = {}, d_cell[N] = {}, values[N], factors[N];
      for (int q = 0; q < 4; ++q) load<N>(k.gates + at.gate + q * at.size, gate[q]);
      load<N>(k.cell + cell_at, cell);
      load<N>(k.previous_cell + cell_at, previous);
      if (k.d_hidden) load<N>(k.d_hidden + cell_at, d_hidden);
      if (k.d_hidden && k.hidden_mask) {
        load<N>(k.hidden_mask + at.lane * k.channels + at.channel, factors);
        for (int n = 0; n < N; ++n) d_hidden[n] *= factors[n];
      }
      if (k.d_cell) load<N>(k.d_cell + cell_at, d_cell);
      const std::int64_t output = at.channel - (k.channels - k.outputs);
      for (int out = 0; output >= 0 && out < k.output_count; ++out) {
        load<N>(k.output[out].values + at.row * k.outputs + output, values);
        if (k.output[out].mask) {
          load<N>(k.output[out].mask + at.lane * k.outputs + output, factors);
          for (int n = 0; n < N; ++n) values[n] *= factors[n];
        }
        for (int n = 0; n < N; ++n) d_hidden[n] += values[n];
      }
      for (int n = 0; n < N; ++n) {
        T of_channel[4] = {gate[0][n], gate[1][n], gate[2][n], gate[3][n]};
        cell_backward(of_channel, cell[n], previous[n], d_hidden[n], d_cell[n]);
        for (int q = 0; q < 4; ++q) gate[q][n] = of_channel[q];
      }
      if (k.d_previous_cell) store<N>(k.d_previous_cell + cell_at, d_cell);
      for (int q = 0; q < 4; ++q) {
        store<N>(k.gates + at.gate + q * at.size, gate[q]);
        if (!k.d_injection) continue;
        T* const sum = k.d_injection + at.gate + q * at.size;
        if (k.add_to_injection) {
          load<N>(sum, values);
          for (int n = 0; n < N; ++n) gate[q][n] += values[n];
        }
        store<N>(sum, gate[q]);
      }
    });
  }
};

// Channels of a thread: with 8 of them in bfloat16 too few threads would fit on a multiprocessor.
template <class A>
inline constexpr int kGateChannels = kVector<A> < 4 ? kVector<A> : 4;

// Whether groups of kGateChannels lie on 16-byte boundaries in every matrix of gates and outputs.
template <class A, class K>
bool channels_in_vectors(const K& k) {
  constexpr int N = kGateChannels<A>;
  bool fit = k.channels / k.blocks % N == 0 && (k.output_count == 0 || k.outputs % N == 0);
  for (int out = 0; out < k.output_count; ++out) fit = fit && aligned({k.output[out].values, k.output[out].mask});
  return fit;
}

template <class Device, class A>
void gates_forward(const GatesForward<A>& k, Range rows, void* stream) {
  constexpr int N = kGateChannels<A>;
  if (channels_in_vectors<A>(k) && aligned({k.gates, k.injection, k.bias, k.previous_cell, k.hidden_mask, k.cell, k.hidden})) {
    const std::int64_t items = rows.size() * (k.channels / N);
    Device::run(GatesForwardBody<N, A>{k, rows.begin, items}, blocks_for(items), stream);
  } else {
    const std::int64_t items = rows.size() * k.channels;
    Device::run(GatesForwardBody<1, A>{k, rows.begin, items}, blocks_for(items), stream);
  }
}

template <class Device, class A>
void gates_backward(const GatesBackward<A>& k, Range rows, void* stream) {
  constexpr int N = kGateChannels<A>;
  if (channels_in_vectors<A>(k) && aligned({k.gates, k.cell, k.previous_cell, k.hidden_mask, k.d_hidden, k.d_cell, k.d_previous_cell, k.d_injection})) {
    const std::int64_t items = rows.size() * (k.channels / N);
    Device::run(GatesBackwardBody<N, A>{k, rows.begin, items}, blocks_for(items), stream);
  } else {
    const std::int64_t items = rows.size() * k.channels;
    Device::run(GatesBackwardBody<1, A>{k, rows.begin, items}, blocks_for(items), stream);
  }
}

}  // namespace trellis::cuda
