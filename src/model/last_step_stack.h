// All levels of a trellis of which only the last step's result is wanted, as in classifying whole sequences: computes just
// the nodes that it depends on (plan/needed_steps.h), forward and backward without autograd. History is zero.
//
// Layout: a level's nodes are [nodes * lanes, channels], row = node * lanes + lane; what the taps of a level see is gathered
// from the nodes below, so that all taps are one GEMM.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "model/effective_kernels.h"
#include "model/gates.h"
#include "model/hidden_convolution.h"
#include "model/level_stack.h"
#include "plan/needed_steps.h"
#include "plan/trellis_shape.h"

namespace trellis {

class LastStepStack {
 public:
  // steps: of every sequence; max_lanes: the most sequences at once, may be 0.
  // activations: their type, as in LevelStack.
  LastStepStack(const TrellisShape& shape, std::int64_t steps, std::int64_t max_lanes, Keep keep, at::TensorOptions options,
                std::optional<at::ScalarType> activations = std::nullopt);

  // input: [steps * lanes, E], time-major, kept by reference until the next call. hidden_mask: [lanes, H] or undefined.
  void forward(std::int64_t lanes, at::Tensor input, at::Tensor hidden_mask, const ConvolutionKernels& kernels);
  at::Tensor output() const { return output_.narrow(0, 0, lanes_); }      // [lanes, O]
  at::Tensor d_output() const { return d_output_.narrow(0, 0, lanes_); }  // its gradient, which the caller fills before backward
  // Adds to `gradients` (of the effective kernels). Once after forward.
  void backward(const ConvolutionKernels& kernels, const ConvolutionKernels& gradients);

 private:
  struct Level {
    std::int64_t nodes = 0;
    std::vector<std::vector<std::int64_t>> input_places, hidden_places;  // by tap: among the input's steps, the nodes below
    std::vector<std::int64_t> cell_places;
    at::Tensor hidden, cell;  // [nodes * max lanes, H]
    at::Tensor gates;         // [nodes * max lanes, 4H]; with Keep::states one memory for all levels
  };

  Level& level(std::int64_t number) { return levels_[static_cast<std::size_t>(number)]; }
  at::Tensor rows(const at::Tensor& memory, std::int64_t nodes) const { return memory.narrow(0, 0, nodes * lanes_); }
  // [nodes * lanes, k, channels]: for every tap the rows of `source` that its places name.
  at::Tensor gather_taps(const at::Tensor& memory, const std::vector<std::vector<std::int64_t>>& places, const at::Tensor& source) const;
  at::Tensor input_taps(std::int64_t number);
  at::Tensor hidden_taps(std::int64_t number);
  at::Tensor previous_cell(std::int64_t number);
  at::Tensor hidden_mask_of(std::int64_t number) const;
  enum class Outputs { written, left_alone };
  void compute(std::int64_t number, const ConvolutionKernels& kernels, Outputs outputs);

  TrellisShape shape_;
  std::int64_t steps_;
  HiddenConvolution convolution_;
  std::int64_t lanes_ = 0;
  Keep keep_;
  std::vector<Level> levels_;
  at::Tensor input_, hidden_mask_;
  at::Tensor rounded_input_, scratch_;  // only with activations of another type
  at::Tensor output_, d_output_;
  // working memory for the largest level
  at::Tensor input_taps_, hidden_taps_, previous_cell_, d_previous_cell_;
  at::Tensor d_hidden_[2], d_cell_[2];
};

}  // namespace trellis
