// The LSTM gates between two trellis levels, fused: bias, injected input, cell, hidden dropout and output dropout in one
// pass over memory (Bai, Kolter and Koltun 2019, section 4.1 and appendix A).
//
//   a = W2 * h_below (by the caller's GEMM) + W1 * x (cached, `injection`) + b, in gate order input, output, candidate, forget
//   c[t] = sigmoid(a_f) c_below[t - dilation] + sigmoid(a_i) tanh(a_g),    h[t] = sigmoid(a_o) tanh(c[t])
//
// Rows are time-major: row = step * lanes + lane. H = channels, O = outputs. The last O channels of h are the outputs.
//
// The four gates of a row lie block by block, [blocks, 4, H / blocks]: one block is [4, H], the published order; with mixed
// group convolution a block is a group, so that the gates of a group are one matrix's columns. "[rows, 4H]" below is that.
//
// A is the type of activations; bias, masks, cells, outputs and sums over levels are Compute<A>.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/element.h"

namespace trellis {

inline constexpr int kMaxGateOutputs = 3;  // a level may feed the final loss, an auxiliary one and the slowness penalty

template <class T>
struct GateOutput {
  T* values = nullptr;                            // [rows, O]: outputs after output dropout; backward: their gradient
  const std::remove_const_t<T>* mask = nullptr;  // [lanes, O], scaled by 1/(1-p), or null
};

template <class A>
struct GatesForward {
  using T = Compute<A>;
  std::int64_t channels = 0, blocks = 1, outputs = 0, lanes = 1;
  A* gates = nullptr;                // [rows, 4H]: W2 * h_below on entry, the four activations on return
  const A* injection = nullptr;      // [rows, 4H] or null
  const T* bias = nullptr;           // [4H], in the gates' order
  const T* previous_cell = nullptr;  // [rows, H]: the cell of the level below, one dilation earlier
  const T* hidden_mask = nullptr;    // [lanes, H], scaled, or null
  T* cell = nullptr;                 // [rows, H]
  A* hidden = nullptr;               // [rows, H]: h times hidden_mask, the next level's input
  int output_count = 0;
  GateOutput<T> output[kMaxGateOutputs];
};

template <class A>
struct GatesBackward {
  using T = Compute<A>;
  std::int64_t channels = 0, blocks = 1, outputs = 0, lanes = 1;
  A* gates = nullptr;                // [rows, 4H]: activations on entry, gradient of a on return
  const T* cell = nullptr;           // [rows, H]
  const T* previous_cell = nullptr;  // [rows, H]
  const T* hidden_mask = nullptr;    // [lanes, H] or null
  const A* d_hidden = nullptr;       // [rows, H]: gradient of the masked h, or null for none
  const T* d_cell = nullptr;         // [rows, H]: gradient of c from the level above, or null for none
  int output_count = 0;
  GateOutput<const T> output[kMaxGateOutputs];
  T* d_previous_cell = nullptr;      // [rows, H], overwritten, or null if nobody asks
  T* d_injection = nullptr;          // [rows, 4H]: gradient of a summed over levels, or null where nothing is injected
  bool add_to_injection = false;     // add to d_injection, or overwrite it
};

}  // namespace trellis
