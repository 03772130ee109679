// All levels of a trellis as a stream, forward only: steps come a few at a time and for as long as one likes, with the same
// work for every step. Every level keeps the last steps of its input, as many as it reaches back, instead of computing them
// again.
//
// What a window is to training, a stretch between two calls of begin_window is here: history fills the levels' halos at its
// beginning, and the embedded input before it is zero. A stretch need not end.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "model/effective_kernels.h"
#include "model/gates.h"
#include "model/hidden_convolution.h"
#include "model/history.h"
#include "model/step_ring.h"
#include "plan/trellis_shape.h"

namespace trellis {

class LevelStream {
 public:
  // max_steps: the most that advance will be called with.
  LevelStream(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, at::TensorOptions options);

  void begin_window(const History& history);
  // Rows [steps * lanes, E] that the caller fills before advance.
  at::Tensor embedded(std::int64_t steps);
  void advance(std::int64_t steps, const ConvolutionKernels& kernels);

  // --- of the last advance ---
  at::Tensor output() const { return output_.narrow(0, 0, steps_ * lanes_); }  // final output, [steps * lanes, O]
  History history() const;  // of its last step; views of memory that the next advance overwrites

 private:
  // The steps of a chunk, with room in front for those before it.
  struct Chunk {
    at::Tensor memory;  // [(front + max_steps) * lanes, channels]
  };
  // What a level's input was before the chunk.
  struct Past {
    StepRing hidden, cell;
  };
  struct Injection {
    std::int64_t dilation;
    at::Tensor product;  // [max_steps * lanes, 4H]
  };

  at::Tensor chunk_rows(const Chunk& chunk, std::int64_t first_step, std::int64_t count) const {
    return chunk.memory.narrow(0, (front_ + first_step) * lanes_, count * lanes_);
  }
  // The chunk `delay` steps earlier, [steps * lanes, channels].
  at::Tensor delayed(const Chunk& chunk, const StepRing& past, std::int64_t delay, const at::Tensor& scratch) const;
  // Steps of the chunk whose input `delay` steps earlier lies before the window's beginning.
  std::int64_t steps_before(std::int64_t delay) const;
  void injection_products(const ConvolutionKernels& kernels);
  void pre_activations(std::int64_t level, const ConvolutionKernels& kernels);
  at::Tensor previous_cell(std::int64_t level);
  Chunk& hidden_into(std::int64_t level) { return hidden_[static_cast<std::size_t>(level % 2)]; }
  Chunk& cell_into(std::int64_t level) { return cell_[static_cast<std::size_t>(level % 2)]; }
  Past& past(std::int64_t level) { return past_[static_cast<std::size_t>(level - 1)]; }

  TrellisShape shape_;
  HiddenConvolution convolution_;
  std::int64_t lanes_, max_steps_, front_;
  std::int64_t steps_ = 0;     // of the last chunk
  std::int64_t position_ = 0;  // steps since the window's beginning
  History history_;            // at the window's beginning
  Chunk embedded_, hidden_[2], cell_[2];  // hidden_[level % 2]: input of `level`
  StepRing embedded_past_;
  std::vector<Past> past_;  // of levels 1, 2, ...; below level 0 there is nothing but the history
  std::vector<Injection> injections_;
  at::Tensor gates_, output_;
  at::Tensor input_scratch_, hidden_scratch_;  // for rows that do not lie together
};

}  // namespace trellis
