// A contiguous range of trellis levels over one window, computed chunk of time by chunk of time, forward and backward
// without autograd (Bai, Kolter and Koltun 2019, eqs. 1-2, with LSTM gates).
//
// One object owns what its levels keep of a window. The whole network on a whole window is one object, one forward and
// one backward call; a pipeline stage is an object with some of the levels, called chunk by chunk: forward in order,
// backward in reverse. Either way the numbers are the same.
//
// Layout: time-major, [steps, lanes, channels] as rows of a matrix, row = step * lanes + lane. In front of every level's
// input lies its halo: the (k-1)*d rows of h and d rows of c before the chunk, d being the level's dilation. Since a
// window's rows lie one after another, the halo of a chunk simply is what the chunk before left in front of it; before
// the window's first step it is the history, copied there by forward. The halo of the embedded input is zero there.
//
// What a level hands up is h *after* hidden dropout (nothing above needs the undropped h), except the network's last
// level, which hands out h itself.
//
// Types: embedded input, h, gates and their gradients are activations, of a type that may be narrower than that of
// everything else (cells, masks, outputs to the loss, sums over levels, gradients of kernels): "[A]" below.
//
// Where h and c are not kept at every level (Keep::every), levels form segments: the inputs of a segment's levels but the first
// lie in a workspace, where each segment's take the place of another's. Backward computes a segment again from its own input,
// then goes down through it. Of each chunk the workspace's levels keep the end, which later chunks have as their halo.
//
// The kernel's gradient is a sum over levels. Where all levels have one dilation, inputs and gates of level after level lie
// in one memory at one distance, with rows of zeros between the gates of one level and the next, so that the sum over many
// levels is one product with many rows per tap, and not an addition to all kernel weights at every level.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "model/chunk_ends.h"
#include "model/effective_kernels.h"
#include "model/gates.h"
#include "model/hidden_convolution.h"
#include "model/history.h"
#include "plan/level_memory.h"
#include "plan/shard_range.h"
#include "plan/trellis_shape.h"

namespace trellis {

class LevelStack {
 public:
  // max_steps: the longest window that will come. `levels`: numbers within the whole network, which dilations, auxiliary
  // outputs and the special first and last level go by.
  // activations: their type; undefined: that of `options`.
  LevelStack(const TrellisShape& shape, Range levels, std::int64_t lanes, std::int64_t max_steps, Keep keep,
             at::TensorOptions options, std::optional<at::ScalarType> activations = std::nullopt);

  // --- a window begins: its length, history and masks (held by reference counts until the next window) ---
  // output_masks as in DropoutMasks; an empty vector or undefined tensors mean none.
  void begin_window(std::int64_t steps, const History& history, at::Tensor hidden_mask, std::vector<at::Tensor> output_masks);

  // --- rows that the caller fills before forward(time): [steps of time * lanes, channels] ---
  at::Tensor embedded(Range time);      // [A] the embedded input after its dropouts, E channels
  at::Tensor input_hidden(Range time);  // [A] if the range does not begin with level 0: what the level below handed up
  at::Tensor input_cell(Range time);

  void forward(Range time, const ConvolutionKernels& kernels);

  // --- results ---
  at::Tensor result_hidden(Range time);  // [A] of the last level, [rows, H]
  at::Tensor result_cell(Range time);
  // Output `number` (0 final, n auxiliary) after output dropout, whole window [steps * lanes, O]; undefined if its level
  // is not in the range.
  at::Tensor output(std::int64_t number);
  at::Tensor d_output(std::int64_t number);  // its gradient, which the caller fills before backward
  // Gradient of the final output before its dropout, [steps * lanes, O], which the caller fills before backward; only if
  // asked for before begin_window, and if the network's last level is in the range.
  void use_raw_output_gradient();
  at::Tensor d_raw_output();

  // Backward over one chunk; chunks come in reverse order, the first ending where the window ends. Where inputs are computed
  // again, they are the chunks of forward.
  // d_hidden [A], d_cell [rows, H]: gradient of result_hidden and result_cell, undefined where nothing lies above.
  // Adds to `gradients` (of the effective kernels), which are complete when backward has reached step 0.
  void backward(Range time, const ConvolutionKernels& kernels, const ConvolutionKernels& gradients, const at::Tensor& d_hidden,
                const at::Tensor& d_cell);

  // Where gates are kept, the hidden kernel's gradient is one product over the whole window, which the last backward call makes.
  // A stage whose results others wait for asks, before the window, to make it apart, when backward has reached step 0.
  void defer_kernel_gradient() { kernel_gradient_deferred_ = true; }
  void finish_kernel_gradient(const ConvolutionKernels& gradients);

  // Gradient of input_hidden and input_cell over the chunk that backward was last called for: complete, with what later
  // chunks had to add through their halo. Valid until the next call. Undefined for a range that begins with level 0.
  at::Tensor d_input_hidden() const { return d_input_hidden_; }
  at::Tensor d_input_cell() const { return d_input_cell_; }
  // [A] Gradient of the embedded input over the whole window, complete when backward has reached step 0.
  at::Tensor d_embedded();
  // Gradient of the history, summed over the levels; kept only if asked for before backward (training truncates there).
  void keep_history_gradient() { history_gradient_wanted_ = true; }
  const History& d_history() const { return d_history_; }

 private:
  // One level's input: halo and window rows of h and c.
  struct Boundary {
    std::int64_t hidden_halo = 0, cell_halo = 0;  // steps
    at::Tensor hidden, cell;                      // [(halo + max_steps) * lanes, H]
    std::optional<std::int64_t> place_in_inputs;
    std::optional<ChunkEnds> hidden_ends, cell_ends;  // only of an input that is not kept
    bool kept() const { return !hidden_ends; }
  };
  // Levels whose gates, and h and c between them, are in memory at some chunk.
  struct Held {
    Range levels, time;
    bool operator==(const Held&) const = default;
  };
  // Injected levels of the same dilation share the product of the input.
  struct Injection {
    std::int64_t dilation = 1;
    at::Tensor product;   // [A] [max_steps * lanes, 4H]; in backward its gradient, summed over levels
    at::Tensor gradient;  // that sum while it grows from level to level; undefined where gates are kept, which are summed at once
    at::Tensor slots;     // int64, of its levels' gates from the last level down; only where gates are kept
    bool gradient_begun = false;
  };
  // Gradient that a later chunk left for the rows in front of it.
  struct Carry {
    at::Tensor hidden, cell;  // [halo * lanes, H]
  };

  Boundary& boundary(std::int64_t level);  // input of `level`; levels_.end: output of the last one
  Injection* injection(std::int64_t level);  // null where nothing is injected
  at::Tensor hidden_rows(Boundary& b, Range time);
  at::Tensor cell_rows(Boundary& b, Range time);
  at::Tensor embedded_rows(std::int64_t first_step, std::int64_t steps);
  // Levels that share memory one after another: where their gates lie among those kept at a time.
  std::int64_t gate_slot(std::int64_t level) const { return (level - levels_.begin) % gate_slots_; }
  at::Tensor gate_rows(std::int64_t level, Range time);
  void fill_history(Boundary& b);
  // Puts in front of a chunk what is not there: the history, and where the input is not kept the ends of chunks before.
  void fill_halo(Boundary& b, Range time);
  // Steps of `time` whose input at this tap is not known to be zero (below level 0 there is nothing but history).
  std::int64_t live_steps(std::int64_t level, std::int64_t delay, Range time) const;
  void pre_activations(std::int64_t level, Range time, const ConvolutionKernels& kernels);
  enum class Outputs { written, left_alone };
  void run_gates(std::int64_t level, Range time, const ConvolutionKernels& kernels, Outputs outputs);
  // The gates of a segment's levels, and h and c between them, unless they are in memory.
  void compute_again(Range segment, Range time, const ConvolutionKernels& kernels);
  void run_gates_backward(std::int64_t level, Range time, const ConvolutionKernels& gradients, const at::Tensor& d_hidden,
                          const at::Tensor& d_cell, at::Tensor d_previous);
  at::Tensor hidden_mask_of(std::int64_t level) const;
  // Whether kernel gradients of several levels can be one product, and that product; levels_.begin <= levels, slots in order.
  bool levels_multiply_at_once() const { return one_dilation_ && steps_ == max_steps_; }
  void kernel_gradient(Range levels, Range time, const ConvolutionKernels& gradients);
  void kernel_gradient_of_level(std::int64_t level, Range time, const ConvolutionKernels& gradients);
  void injection_forward(Injection& injection, Range time, const ConvolutionKernels& kernels);
  void injection_backward(Injection& injection, Range time, const ConvolutionKernels& kernels, const ConvolutionKernels& gradients);
  void add_history_gradient(const at::Tensor& d_hidden_halo, const at::Tensor& d_cell_halo);

  TrellisShape shape_;
  HiddenConvolution convolution_;
  Range levels_;
  std::int64_t lanes_, max_steps_;
  Keep keep_;
  LevelSegments segments_;
  at::TensorOptions options_, activations_;
  bool one_dilation_;

  std::int64_t steps_ = 0;
  History history_;  // h after hidden dropout
  at::Tensor hidden_mask_;
  std::vector<at::Tensor> output_masks_;

  std::int64_t embedded_halo_ = 0;
  at::Tensor embedded_, d_embedded_;
  std::vector<Boundary> boundaries_;
  Held held_;                       // since forward; only where levels form segments
  std::int64_t pitch_ = 0;          // rows from one level to the next in the memory that levels share
  at::Tensor inputs_;               // h below levels, at that distance (only with one dilation)
  std::int64_t gate_slots_ = 0, gate_halo_ = 0;  // gate_halo_: steps of zeros in front of a level's gates
  at::Tensor gates_;                // [gate_slots_ * pitch_, 4H]
  std::vector<Injection> injections_;
  std::vector<at::Tensor> outputs_, d_outputs_;  // by number; undefined where not in the range
  at::Tensor d_raw_output_;

  std::vector<Carry> carries_;  // by level
  bool carried_ = false;        // backward has seen a later chunk of this window
  at::Tensor d_hidden_memory_;  // gradient of one level's input with its halo
  at::Tensor d_cell_memory_[2]; // written by one level while the one above is read
  at::Tensor d_input_hidden_, d_input_cell_;
  at::Tensor scratch_;  // of multiply_into
  bool history_gradient_wanted_ = false, kernel_gradient_deferred_ = false;
  History d_history_;
};

}  // namespace trellis
