// One stage of a pipeline over trellis depth: the levels of a replica that are this rank's, over one window, unit by unit
// (plan/pipeline_schedule.h), forward and backward; h and c of its last level go to the stage above, their gradients come back.
// A stage whose replica has no other is the whole network.
//
// Messages go straight between the stages' level memory where they can: what is received lies where the lowest level reads its
// input, what is sent is where the highest level wrote it. Receives are posted ahead, sends are waited for when the wave is
// over. The halo of a chunk is what the chunk before left in front of it: nothing of it travels, and its gradient is added here
// before that of the chunk it came from goes down (model/level_stack.h).
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "comm/process_group.h"
#include "model/level_stack.h"
#include "plan/pipeline_schedule.h"

namespace trellis {

class PipelineStage {
 public:
  struct Options {
    Keep keep = Keep::gates;
    std::optional<at::ScalarType> activations = std::nullopt;  // as LevelStack's
    std::int64_t lane_groups = 1;
    bool raw_output_gradient = false;  // d_raw_output() is wanted
  };
  // replica: the stages of this replica, in order; must outlive this. lanes: of the replica, may be 0.
  PipelineStage(const TrellisShape& shape, const ProcessGroup& replica, std::int64_t lanes, std::int64_t max_steps, const Options& options,
                at::TensorOptions tensor_options);

  Range levels() const { return levels_; }
  // Whether output `number` (0 final, n auxiliary) is one of this stage's.
  bool has_output(std::int64_t number) const;
  bool is_last() const { return levels_.end == shape_.levels; }

  // history, hidden_mask, output_masks: of the replica's lanes (see LevelStack::begin_window).
  void begin_window(std::int64_t steps, std::int64_t chunks, const History& history, const at::Tensor& hidden_mask,
                    const std::vector<at::Tensor>& output_masks);
  // [A] [steps * lanes, E], which the caller fills before forward.
  at::Tensor embedded();
  void forward(const ConvolutionKernels& kernels);

  // After forward. All [steps * lanes, channels], time-major over the replica's lanes.
  at::Tensor output(std::int64_t number);
  at::Tensor d_output(std::int64_t number);  // which the caller fills before backward
  at::Tensor raw_output();                   // of the last stage: the final output before its dropout, [rows, O], perhaps a view
  at::Tensor d_raw_output();                 // of the last stage, if asked for: which the caller fills before backward
  // What the window leaves, the same on all stages; [lanes, H] each.
  void result(History& history);

  // Adds to `gradients` (of the effective kernels).
  void backward(const ConvolutionKernels& kernels, const ConvolutionKernels& gradients);
  // [A] [steps * lanes, E]: this stage's part of the embedded input's gradient, after backward.
  at::Tensor d_embedded();

 private:
  bool one_group() const { return groups_.size() == 1; }
  // Memory for [steps * lanes, channels], allocated when first needed; used with several lane groups only.
  at::Tensor joined(at::Tensor& memory, std::int64_t channels, at::TensorOptions options) const;
  // A lane group's rows among those of all lanes: [steps, its lanes, channels].
  at::Tensor rows_of_group(const at::Tensor& all, std::size_t group) const;
  LevelStack& stack_of(const WorkUnit& unit) { return *stacks_[static_cast<std::size_t>(unit.lane_group)]; }
  std::int64_t rows_of(const WorkUnit& unit) const { return unit.time.size() * unit.lanes.size(); }
  void post_receives();
  struct Message {
    at::Tensor hidden, cell;  // [rows, H]
  };
  // The first rows of a message's memory, which grows as needed.
  Message rows_in(Message& memory, std::int64_t rows) const;
  void post_gradient_receive(std::size_t n);
  void backward_unit(std::size_t n, const ConvolutionKernels& kernels, const ConvolutionKernels& gradients);

  TrellisShape shape_;
  const ProcessGroup& replica_;
  Range levels_;
  std::int64_t lanes_, max_steps_;
  Options options_;
  at::TensorOptions tensor_options_, activations_;
  std::vector<Range> groups_;  // lanes
  std::vector<std::unique_ptr<LevelStack>> stacks_;

  std::int64_t steps_ = 0;
  std::vector<WorkUnit> units_;
  // only with several lane groups
  at::Tensor embedded_, d_embedded_, raw_output_, d_raw_output_;
  std::vector<at::Tensor> outputs_, d_outputs_;

  std::vector<Pending> received_, sent_;
  std::array<Message, 2> gradients_in_, gradients_out_;  // in turns
  std::array<std::vector<Pending>, 2> gradients_coming_, gradients_going_;
};

}  // namespace trellis
