#include "model/level_stack.h"

#include <algorithm>
#include <utility>

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {

void LevelStack::begin_window(std::int64_t steps, const History& history, at::Tensor hidden_mask, std::vector<at::Tensor> output_masks) {
  require(0 < steps && steps <= max_steps_, "a window has at least one step and at most as many as the stack was made for");
  expect_shape("history.hidden", history.hidden, {lanes_, shape_.hidden});
  expect_shape("history.cell", history.cell, {lanes_, shape_.hidden});
  if (hidden_mask.defined()) expect_shape("hidden dropout mask", hidden_mask, {lanes_, shape_.hidden});
  for (const at::Tensor& mask : output_masks) {
    if (mask.defined()) expect_shape("output dropout mask", mask, {lanes_, shape_.outputs});
  }
  steps_ = steps;
  hidden_mask_ = std::move(hidden_mask);
  history_ = {hidden_mask_.defined() ? history.hidden * hidden_mask_ : history.hidden, history.cell};
  output_masks_ = std::move(output_masks);
  output_masks_.resize(outputs_.size());
  carried_ = false;
  held_ = {};
  // below level 0 the cell is zero after the history
  if (levels_.begin == 0) cell_rows(boundary(0), {0, steps}).zero_();
}

void LevelStack::fill_history(Boundary& b) {
  const auto fill = [&](const at::Tensor& memory, std::int64_t halo, const at::Tensor& value) {
    memory.narrow(0, 0, halo * lanes_).view({halo, lanes_, shape_.hidden}).copy_(value.unsqueeze(0).expand({halo, -1, -1}));
  };
  fill(b.hidden, b.hidden_halo, history_.hidden);
  fill(b.cell, b.cell_halo, history_.cell);
}

void LevelStack::fill_halo(Boundary& b, Range time) {
  if (time.begin == 0 || (!b.kept() && time.begin < std::max(b.hidden_halo, b.cell_halo))) fill_history(b);
  if (b.kept()) return;
  b.hidden_ends->bring_back(b.hidden, time);
  b.cell_ends->bring_back(b.cell, time);
}

std::int64_t LevelStack::live_steps(std::int64_t level, std::int64_t delay, Range time) const {
  if (level > 0) return time.size();
  return std::clamp<std::int64_t>(delay - time.begin, 0, time.size());
}

void LevelStack::injection_forward(Injection& shared, Range time, const ConvolutionKernels& kernels) {
  const TimeSpan timed("injection", {.time_begin = time.begin, .time_end = time.end});
  const at::Tensor product = shared.product.narrow(0, time.begin * lanes_, time.size() * lanes_);
  for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
    const std::int64_t delay = (shape_.kernel - 1 - tap) * shared.dilation;
    multiply(product, embedded_rows(time.begin - delay, time.size()), kernels.input.select(1, tap).t(),
             tap == 0 ? Accumulate::overwrite : Accumulate::add);
  }
}

void LevelStack::pre_activations(std::int64_t level, Range time, const ConvolutionKernels& kernels) {
  const TimeSpan timed("pre-activations", {.level = level, .time_begin = time.begin, .time_end = time.end});
  Boundary& input = boundary(level);
  const at::Tensor gates = gate_rows(level, time);
  if (level == 0) gates.zero_();
  bool begun = level == 0;
  for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
    const std::int64_t delay = (shape_.kernel - 1 - tap) * shape_.dilation_of(level);
    const std::int64_t live = live_steps(level, delay, time);
    if (live == 0) continue;
    convolution_.forward(gates.narrow(0, 0, live * lanes_), hidden_rows(input, {time.begin - delay, time.begin - delay + live}),
                         kernels.hidden, tap, begun ? Accumulate::add : Accumulate::overwrite);
    begun = true;
  }
}

void LevelStack::run_gates(std::int64_t level, Range time, const ConvolutionKernels& kernels, Outputs outputs) {
  const TimeSpan timed("gates", {.level = level, .time_begin = time.begin, .time_end = time.end});
  Boundary& input = boundary(level);
  Boundary& result = boundary(level + 1);
  const std::int64_t dilation = shape_.dilation_of(level), first = time.begin * lanes_, count = time.size() * lanes_;
  const Injection* const shared = injection(level);
  GateRows rows{.gates = gate_rows(level, time),
                .injection = shared ? shared->product.narrow(0, first, count) : at::Tensor(),
                .bias = kernels.bias,
                .previous_cell = cell_rows(input, {time.begin - dilation, time.end - dilation}),
                .hidden_mask = hidden_mask_of(level),
                .cell = cell_rows(result, time),
                .hidden = hidden_rows(result, time),
                .outputs = {}};
  if (outputs == Outputs::written) {
    for (const std::int64_t number : shape_.outputs_of(level)) {
      const auto n = static_cast<std::size_t>(number);
      rows.outputs.add(outputs_[n].narrow(0, first, count), output_masks_[n]);
    }
  }
  gates_forward(shape_, lanes_, rows);
}

void LevelStack::forward(Range time, const ConvolutionKernels& kernels) {
  const TimeSpan timed("levels forward", {.level = levels_.begin, .level_end = levels_.end,
                                         .time_begin = time.begin, .time_end = time.end});
  require(0 <= time.begin && time.begin < time.end && time.end <= steps_, "a chunk lies within its window");
  for (Injection& shared : injections_) injection_forward(shared, time, kernels);
  for (std::int64_t level = levels_.begin; level < levels_.end; ++level) {
    fill_halo(boundary(level), time);
    pre_activations(level, time, kernels);
    run_gates(level, time, kernels, Outputs::written);
    Boundary& result = boundary(level + 1);
    if (result.kept() || time.end == steps_) continue;
    result.hidden_ends->keep(result.hidden, time);
    result.cell_ends->keep(result.cell, time);
  }
  if (segments_.every > 1) held_ = {segments_.segment_of(levels_.end - 1), time};
}

void LevelStack::compute_again(Range segment, Range time, const ConvolutionKernels& kernels) {
  if (std::exchange(held_, {}) == Held{segment, time}) return;
  for (std::int64_t level = segment.begin; level < segment.end; ++level) {
    if (!boundary(level).kept()) fill_halo(boundary(level), time);
    pre_activations(level, time, kernels);
    run_gates(level, time, kernels, Outputs::left_alone);
  }
}

void LevelStack::run_gates_backward(std::int64_t level, Range time, const ConvolutionKernels& gradients, const at::Tensor& d_hidden,
                                    const at::Tensor& d_cell, at::Tensor d_previous) {
  const TimeSpan timed("gates backward", {.level = level, .time_begin = time.begin, .time_end = time.end});
  const std::int64_t dilation = shape_.dilation_of(level), first = time.begin * lanes_, count = time.size() * lanes_;
  Injection* const shared = injection(level);
  GateGradientRows rows{.gates = gate_rows(level, time),
                        .cell = cell_rows(boundary(level + 1), time),
                        .previous_cell = cell_rows(boundary(level), {time.begin - dilation, time.end - dilation}),
                        .hidden_mask = hidden_mask_of(level),
                        .d_hidden = d_hidden,
                        .d_cell = d_cell,
                        .d_outputs = {},
                        .d_previous_cell = std::move(d_previous),
                        .d_injection = {}};
  for (const std::int64_t number : shape_.outputs_of(level)) {
    const auto n = static_cast<std::size_t>(number);
    rows.d_outputs.add(d_outputs_[n].narrow(0, first, count), output_masks_[n]);
  }
  if (level + 1 == shape_.levels && d_raw_output_.defined()) rows.d_outputs.add(d_raw_output_.narrow(0, first, count), {});
  if (shared && shared->gradient.defined()) {
    rows.d_injection = shared->gradient.narrow(0, first, count);
    rows.to_injection = std::exchange(shared->gradient_begun, true) ? Accumulate::add : Accumulate::overwrite;
  }
  gates_backward(shape_, lanes_, rows);
  // the bias enters every level: where the input does too, the sum over levels is made once, in injection_backward
  if (!shared) add_column_sums(gradients.bias, rows.gates);
}

void LevelStack::injection_backward(Injection& shared, Range time, const ConvolutionKernels& kernels,
                                    const ConvolutionKernels& gradients) {
  const TimeSpan timed("injection backward", {.time_begin = time.begin, .time_end = time.end});
  const at::Tensor gradient = shared.product.narrow(0, time.begin * lanes_, time.size() * lanes_);
  if (shared.gradient.defined()) {
    const at::Tensor sum = shared.gradient.narrow(0, time.begin * lanes_, time.size() * lanes_);
    add_column_sums(gradients.bias, sum);
    round_into(gradient, sum);
  } else {  // kept gates have become gradients where they lie
    sum_over_levels(gradient, gates_.narrow(0, (gate_halo_ + time.begin) * lanes_, gates_.size(0) - (gate_halo_ + time.begin) * lanes_), pitch_, shared.slots);
    add_column_sums(gradients.bias, gradient);
  }
  for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
    const std::int64_t delay = (shape_.kernel - 1 - tap) * shared.dilation;
    multiply_into(gradients.input.select(1, tap), gradient.t(), embedded_rows(time.begin - delay, time.size()), Accumulate::add, scratch_);
    // steps before the window are zeros that nobody needs the gradient of
    const std::int64_t outside = std::clamp<std::int64_t>(delay - time.begin, 0, time.size());
    const std::int64_t inside = time.size() - outside;
    if (inside == 0) continue;
    multiply(d_embedded_.narrow(0, (time.begin + outside - delay) * lanes_, inside * lanes_),
             gradient.narrow(0, outside * lanes_, inside * lanes_), kernels.input.select(1, tap), Accumulate::add);
  }
}

void LevelStack::kernel_gradient_of_level(std::int64_t level, Range time, const ConvolutionKernels& gradients) {
  for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
    const std::int64_t delay = (shape_.kernel - 1 - tap) * shape_.dilation_of(level);
    const std::int64_t live = live_steps(level, delay, time);
    if (live == 0) continue;
    convolution_.backward_kernel(gradients.hidden, gate_rows(level, {time.begin, time.begin + live}),
                                 hidden_rows(boundary(level), {time.begin - delay, time.begin - delay + live}), tap);
  }
}

void LevelStack::kernel_gradient(Range levels, Range time, const ConvolutionKernels& gradients) {
  const TimeSpan timed("kernel gradient", {.level = levels.begin, .level_end = levels.end, .time_begin = time.begin, .time_end = time.end});
  if (!levels_multiply_at_once() || time.size() < steps_) {
    for (std::int64_t level = levels.begin; level < levels.end; ++level) kernel_gradient_of_level(level, time, gradients);
    return;
  }
  if (!boundary(levels.begin).place_in_inputs) {  // level 0, which has hardly any input rows, or the first of a segment
    kernel_gradient_of_level(levels.begin, time, gradients);
    ++levels.begin;
  }
  if (levels.empty()) return;
  const std::int64_t halo = gate_halo_ * lanes_, rows = levels.size() * pitch_ - halo;
  const std::int64_t first_input = *boundary(levels.begin).place_in_inputs * pitch_ + halo;
  const at::Tensor d_gates = gates_.narrow(0, gate_slot(levels.begin) * pitch_ + halo, rows);
  for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
    // A row of a level's gates meets the row `delay` before it. Rows of zeros meet rows of the level's history or of the
    // end of the level before, which are finite numbers if the network's are.
    const std::int64_t delay = (shape_.kernel - 1 - tap) * shape_.dilation_of(levels.begin) * lanes_;
    convolution_.backward_kernel(gradients.hidden, d_gates, inputs_.narrow(0, first_input - delay, rows), tap);
  }
}

void LevelStack::add_history_gradient(const at::Tensor& d_hidden_halo, const at::Tensor& d_cell_halo) {
  const auto sum = [&](const at::Tensor& halo) { return halo.view({-1, lanes_, shape_.hidden}).sum(0, false, c10::typeMetaToScalarType(options_.dtype())); };
  const at::Tensor d_hidden = hidden_mask_.defined() ? sum(d_hidden_halo) * hidden_mask_ : sum(d_hidden_halo);
  d_history_.hidden += d_hidden;
  d_history_.cell += sum(d_cell_halo);
}

void LevelStack::backward(Range time, const ConvolutionKernels& kernels, const ConvolutionKernels& gradients,
                          const at::Tensor& d_hidden, const at::Tensor& d_cell) {
  const TimeSpan timed("levels backward", {.level = levels_.begin, .level_end = levels_.end,
                                         .time_begin = time.begin, .time_end = time.end});
  require(0 <= time.begin && time.begin < time.end && time.end <= steps_, "a chunk lies within its window");
  require(carried_ || time.end == steps_, "backward begins at the window's end");
  if (!carried_) {
    d_embedded().zero_();
    if (history_gradient_wanted_) {
      d_history_ = {at::zeros({lanes_, shape_.hidden}, options_), at::zeros({lanes_, shape_.hidden}, options_)};
    }
  }
  for (Injection& shared : injections_) shared.gradient_begun = false;
  const std::int64_t rows = time.size() * lanes_;
  // the halo's gradient goes to the chunk before this one, or to the history, or to nobody
  const bool halo_wanted = time.begin > 0 || history_gradient_wanted_;

  at::Tensor d_above = d_hidden, d_cell_above = d_cell;
  for (std::int64_t level = levels_.end - 1; level >= levels_.begin; --level) {
    Carry& carry = carries_[static_cast<std::size_t>(level - levels_.begin)];
    const std::int64_t dilation = shape_.dilation_of(level), halo = shape_.halo_of(level) * lanes_, cell_halo = dilation * lanes_;
    const bool input_wanted = level > 0 || history_gradient_wanted_;
    const Range segment = segments_.segment_of(level);
    if (!keep_.all_gates && level + 1 == segment.end) compute_again(segment, time, kernels);

    // Gradient of the input's cell, steps [begin - d, end): this chunk's share is its first part, the rest is what the
    // later chunk left.
    at::Tensor d_input_cell;
    if (input_wanted) {
      d_input_cell = d_cell_memory_[level % 2].narrow(0, 0, cell_halo + rows);
      const at::Tensor later = d_input_cell.narrow(0, rows, cell_halo);
      if (carried_) {
        later.copy_(carry.cell);
      } else {
        later.zero_();
      }
    }
    run_gates_backward(level, time, gradients, d_above, d_cell_above, d_input_cell);

    // Gradient of the input's h, steps [begin - (k-1) d, end).
    at::Tensor d_input;
    if (input_wanted) {
      d_input = d_hidden_memory_.narrow(0, 0, halo + rows);
      if (carried_) {
        d_input.narrow(0, 0, rows).zero_();
        d_input.narrow(0, rows, halo).copy_(carry.hidden);
      } else if (halo_wanted) {
        d_input.narrow(0, 0, halo).zero_();
      }
    }
    if (!keep_.all_gates) {
      const bool whole_window = time.size() == steps_;
      if (!whole_window || !levels_multiply_at_once()) {
        kernel_gradient({level, level + 1}, time, gradients);
      } else if (gate_slot(level) == 0) {
        kernel_gradient({level, std::min(level + gate_slots_, levels_.end)}, time, gradients);
      }
    }
    const at::Tensor gate_gradient = gate_rows(level, time);
    for (std::int64_t tap = shape_.kernel - 1; tap >= 0 && input_wanted; --tap) {
      const std::int64_t delay = (shape_.kernel - 1 - tap) * dilation;
      const std::int64_t skipped = halo_wanted ? 0 : std::min(delay, time.size()) * lanes_;
      if (skipped == rows) continue;
      const TimeSpan timed_hidden("hidden gradient", {.level = level, .time_begin = time.begin, .time_end = time.end});
      convolution_.backward_hidden(d_input.narrow(0, halo - delay * lanes_ + skipped, rows - skipped),
                                   gate_gradient.narrow(0, skipped, rows - skipped), kernels.hidden, tap,
                                   delay == 0 && !carried_ ? Accumulate::overwrite : Accumulate::add);
    }

    if (!input_wanted) continue;  // level 0, the last of them
    if (time.begin > 0) {
      if (!carry.hidden.defined()) {
        carry.hidden = at::empty({halo, shape_.hidden}, activations_);
        carry.cell = at::empty({cell_halo, shape_.hidden}, options_);
      }
      carry.hidden.copy_(d_input.narrow(0, 0, halo));
      carry.cell.copy_(d_input_cell.narrow(0, 0, cell_halo));
    } else if (history_gradient_wanted_) {
      add_history_gradient(d_input.narrow(0, 0, halo), d_input_cell.narrow(0, 0, cell_halo));
    }
    d_above = d_input.narrow(0, halo, rows);
    d_cell_above = d_input_cell.narrow(0, cell_halo, rows);
  }
  if (levels_.begin > 0) {
    d_input_hidden_ = d_above;
    d_input_cell_ = d_cell_above;
  }
  for (Injection& shared : injections_) injection_backward(shared, time, kernels, gradients);
  carried_ = true;
  if (time.begin == 0 && !kernel_gradient_deferred_) finish_kernel_gradient(gradients);
}

void LevelStack::finish_kernel_gradient(const ConvolutionKernels& gradients) {
  // kept gates have become gradients where they lie, of all chunks in the end; others have been used chunk by chunk
  if (keep_.all_gates) kernel_gradient(levels_, {0, steps_}, gradients);
}

}  // namespace trellis
