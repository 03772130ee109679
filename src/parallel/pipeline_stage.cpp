#include "parallel/pipeline_stage.h"

#include <algorithm>

#include "model/launch.h"

namespace trellis {
namespace {

// Between two stages; messages of one tag keep their order.
constexpr int kHiddenTag = 1, kCellTag = 2, kHiddenGradientTag = 3, kCellGradientTag = 4;

void wait_all(std::vector<Pending>& pending) {
  for (Pending& one : pending) one.wait();
  pending.clear();
}

at::Tensor mask_of_group(const at::Tensor& mask, Range lanes) {
  return mask.defined() ? mask.narrow(0, lanes.begin, lanes.size()) : at::Tensor();
}

}  // namespace

PipelineStage::PipelineStage(const TrellisShape& shape, const ProcessGroup& replica, std::int64_t lanes, std::int64_t max_steps,
                             const Options& options, at::TensorOptions tensor_options)
    : shape_(shape),
      replica_(replica),
      levels_(levels_of_stage(shape.levels, replica.size(), replica.rank())),
      lanes_(lanes),
      max_steps_(max_steps),
      options_(options),
      tensor_options_(tensor_options),
      activations_(activation_options(tensor_options, options.activations)),
      groups_(split_lanes(lanes, options.lane_groups)) {
  for (const Range& group : groups_) {
    stacks_.push_back(std::make_unique<LevelStack>(shape, levels_, group.size(), max_steps, options.keep, tensor_options, options.activations));
    if (options.raw_output_gradient) stacks_.back()->use_raw_output_gradient();
    stacks_.back()->defer_kernel_gradient();
  }
  outputs_.resize(static_cast<std::size_t>(shape.output_count()));
  d_outputs_.resize(outputs_.size());
}

bool PipelineStage::has_output(std::int64_t number) const {
  for (std::int64_t level = levels_.begin; level < levels_.end; ++level) {
    const std::vector<std::int64_t> numbers = shape_.outputs_of(level);
    if (std::find(numbers.begin(), numbers.end(), number) != numbers.end()) return true;
  }
  return false;
}

at::Tensor PipelineStage::joined(at::Tensor& memory, std::int64_t channels, at::TensorOptions options) const {
  if (!memory.defined()) memory = at::empty({max_steps_ * lanes_, channels}, options);
  return memory.narrow(0, 0, steps_ * lanes_);
}

at::Tensor PipelineStage::rows_of_group(const at::Tensor& all, std::size_t group) const {
  return all.view({steps_, lanes_, all.size(1)}).narrow(1, groups_[group].begin, groups_[group].size());
}

void PipelineStage::begin_window(std::int64_t steps, std::int64_t chunks, const History& history, const at::Tensor& hidden_mask,
                                 const std::vector<at::Tensor>& output_masks) {
  steps_ = steps;
  units_ = PipelineLayout{shape_.levels, replica_.size(), options_.lane_groups}.units(lanes_, steps, chunks);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Range lanes = groups_[g];
    std::vector<at::Tensor> masks;
    for (const at::Tensor& mask : output_masks) masks.push_back(mask_of_group(mask, lanes));
    stacks_[g]->begin_window(steps, {history.hidden.narrow(0, lanes.begin, lanes.size()), history.cell.narrow(0, lanes.begin, lanes.size())},
                             mask_of_group(hidden_mask, lanes), std::move(masks));
  }
}

at::Tensor PipelineStage::embedded() {
  return one_group() ? stacks_[0]->embedded({0, steps_}) : joined(embedded_, shape_.embedding, activations_);
}

void PipelineStage::post_receives() {
  for (const WorkUnit& unit : units_) {
    LevelStack& stack = stack_of(unit);
    received_.push_back(replica_.start_receive(stack.input_hidden(unit.time), replica_.rank() - 1, kHiddenTag));
    received_.push_back(replica_.start_receive(stack.input_cell(unit.time), replica_.rank() - 1, kCellTag));
  }
}

void PipelineStage::forward(const ConvolutionKernels& kernels) {
  if (!one_group()) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      stacks_[g]->embedded({0, steps_}).view({steps_, groups_[g].size(), shape_.embedding}).copy_(rows_of_group(embedded(), g));
    }
  }
  if (levels_.begin > 0) post_receives();
  for (const Action& action : actions_of_stage(replica_.size(), replica_.rank(), static_cast<std::int64_t>(units_.size()))) {
    if (action.kind == Action::Kind::loss) break;
    const auto n = static_cast<std::size_t>(action.unit);
    const WorkUnit& unit = units_[n];
    LevelStack& stack = stack_of(unit);
    switch (action.kind) {
      case Action::Kind::receive:
        received_[2 * n].wait();
        received_[2 * n + 1].wait();
        break;
      case Action::Kind::forward: stack.forward(unit.time, kernels); break;
      case Action::Kind::send:
        sent_.push_back(replica_.start_send(stack.result_hidden(unit.time), replica_.rank() + 1, kHiddenTag));
        sent_.push_back(replica_.start_send(stack.result_cell(unit.time), replica_.rank() + 1, kCellTag));
        break;
      default: break;
    }
  }
  received_.clear();
  wait_all(sent_);
}

at::Tensor PipelineStage::output(std::int64_t number) {
  if (one_group()) return stacks_[0]->output(number);
  const at::Tensor all = joined(outputs_[static_cast<std::size_t>(number)], shape_.outputs, tensor_options_);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    rows_of_group(all, g).copy_(stacks_[g]->output(number).view({steps_, groups_[g].size(), shape_.outputs}));
  }
  return all;
}

at::Tensor PipelineStage::d_output(std::int64_t number) {
  if (one_group()) return stacks_[0]->d_output(number);
  return joined(d_outputs_[static_cast<std::size_t>(number)], shape_.outputs, tensor_options_);
}

at::Tensor PipelineStage::raw_output() {
  const auto of = [&](LevelStack& stack) {
    return stack.result_hidden({0, steps_}).narrow(1, shape_.hidden - shape_.outputs, shape_.outputs);
  };
  if (one_group()) return of(*stacks_[0]);
  const at::Tensor all = joined(raw_output_, shape_.outputs, activations_);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    rows_of_group(all, g).copy_(of(*stacks_[g]).reshape({steps_, groups_[g].size(), shape_.outputs}));
  }
  return all;
}

at::Tensor PipelineStage::d_raw_output() {
  return one_group() ? stacks_[0]->d_raw_output() : joined(d_raw_output_, shape_.outputs, tensor_options_);
}

void PipelineStage::result(History& history) {
  if (is_last()) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      history.hidden.narrow(0, groups_[g].begin, groups_[g].size()).copy_(stacks_[g]->result_hidden({steps_ - 1, steps_}));
      history.cell.narrow(0, groups_[g].begin, groups_[g].size()).copy_(stacks_[g]->result_cell({steps_ - 1, steps_}));
    }
  }
  if (replica_.size() == 1 || lanes_ == 0) return;
  replica_.broadcast(history.hidden, replica_.size() - 1);
  replica_.broadcast(history.cell, replica_.size() - 1);
}

PipelineStage::Message PipelineStage::rows_in(Message& memory, std::int64_t rows) const {
  if (!memory.hidden.defined() || memory.hidden.size(0) < rows) {
    memory = {at::empty({rows, shape_.hidden}, activations_), at::empty({rows, shape_.hidden}, tensor_options_)};
  }
  return {memory.hidden.narrow(0, 0, rows), memory.cell.narrow(0, 0, rows)};
}

void PipelineStage::post_gradient_receive(std::size_t n) {
  const std::size_t slot = n % gradients_in_.size();
  const Message message = rows_in(gradients_in_[slot], rows_of(units_[n]));
  gradients_coming_[slot].push_back(replica_.start_receive(message.hidden, replica_.rank() + 1, kHiddenGradientTag));
  gradients_coming_[slot].push_back(replica_.start_receive(message.cell, replica_.rank() + 1, kCellGradientTag));
}

void PipelineStage::backward_unit(std::size_t n, const ConvolutionKernels& kernels, const ConvolutionKernels& gradients) {
  const WorkUnit& unit = units_[n];
  const Message from_above = is_last() ? Message{} : rows_in(gradients_in_[n % gradients_in_.size()], rows_of(unit));
  stack_of(unit).backward(unit.time, kernels, gradients, from_above.hidden, from_above.cell);
}

void PipelineStage::backward(const ConvolutionKernels& kernels, const ConvolutionKernels& gradients) {
  if (!one_group()) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto scatter = [&](const at::Tensor& all, const at::Tensor& part) {
        part.view({steps_, groups_[g].size(), shape_.outputs}).copy_(rows_of_group(all, g));
      };
      for (std::int64_t number = 0; number < shape_.output_count(); ++number) {
        if (has_output(number)) scatter(d_output(number), stacks_[g]->d_output(number));
      }
      if (options_.raw_output_gradient && is_last()) scatter(d_raw_output(), stacks_[g]->d_raw_output());
    }
  }
  const std::size_t count = units_.size();
  if (!is_last()) {
    for (std::size_t ahead = 0; ahead < std::min(count, gradients_in_.size()); ++ahead) post_gradient_receive(count - 1 - ahead);
  }
  const std::vector<Action> actions = actions_of_stage(replica_.size(), replica_.rank(), static_cast<std::int64_t>(count));
  const auto loss = std::find_if(actions.begin(), actions.end(), [](const Action& action) { return action.kind == Action::Kind::loss; });
  for (auto action = loss + 1; action != actions.end(); ++action) {
    const auto n = static_cast<std::size_t>(action->unit);
    const std::size_t slot = n % gradients_in_.size();
    switch (action->kind) {
      case Action::Kind::receive_gradient: wait_all(gradients_coming_[slot]); break;
      case Action::Kind::backward:
        backward_unit(n, kernels, gradients);
        if (!is_last() && n >= gradients_in_.size()) post_gradient_receive(n - gradients_in_.size());  // its slot is free now
        break;
      case Action::Kind::send_gradient: {
        wait_all(gradients_going_[slot]);
        const LevelStack& stack = stack_of(units_[n]);
        const Message message = rows_in(gradients_out_[slot], rows_of(units_[n]));
        message.hidden.copy_(stack.d_input_hidden());  // which the stack's next backward overwrites
        message.cell.copy_(stack.d_input_cell());
        gradients_going_[slot].push_back(replica_.start_send(message.hidden, replica_.rank() - 1, kHiddenGradientTag));
        gradients_going_[slot].push_back(replica_.start_send(message.cell, replica_.rank() - 1, kCellGradientTag));
        break;
      }
      default: break;
    }
  }
  // nobody waits for it: the stages below compute meanwhile
  for (std::size_t g = stacks_.size(); g-- > 0;) stacks_[g]->finish_kernel_gradient(gradients);
  for (auto& going : gradients_going_) wait_all(going);
}

at::Tensor PipelineStage::d_embedded() {
  if (one_group()) return stacks_[0]->d_embedded();
  const at::Tensor all = joined(d_embedded_, shape_.embedding, activations_);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    rows_of_group(all, g).copy_(stacks_[g]->d_embedded().view({steps_, groups_[g].size(), shape_.embedding}));
  }
  return all;
}

}  // namespace trellis
