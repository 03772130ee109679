#include "model/level_stack.h"

#include <algorithm>
#include <utility>

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {

LevelStack::LevelStack(const TrellisShape& shape, Range levels, std::int64_t lanes, std::int64_t max_steps, Keep keep,
                       at::TensorOptions options, std::optional<at::ScalarType> activations)
    : shape_(shape),
      convolution_(shape),
      levels_(levels),
      lanes_(lanes),
      max_steps_(max_steps),
      keep_(keep),
      options_(options),
      activations_(activation_options(options, activations)) {
  require(0 <= levels.begin && levels.begin < levels.end && levels.end <= shape.levels, "a stack needs levels of its network");
  const std::int64_t H = shape.hidden;
  std::int64_t largest_hidden_halo = 0, largest_cell_halo = 0;
  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    largest_hidden_halo = std::max(largest_hidden_halo, shape.halo_of(level));
    largest_cell_halo = std::max(largest_cell_halo, shape.dilation_of(level));
  }
  const auto rows = [&](std::int64_t steps, std::int64_t channels) { return at::empty({steps * lanes, channels}, options_); };
  const auto activation_rows = [&](std::int64_t steps, std::int64_t channels) { return at::empty({steps * lanes, channels}, activations_); };

  const std::int64_t halo = largest_hidden_halo;
  // the rows of zeros are multiplied too: not worth it where they are many
  one_dilation_ = halo * 4 <= max_steps;
  for (std::int64_t level = levels.begin; level < levels.end; ++level) one_dilation_ = one_dilation_ && shape.halo_of(level) == halo;
  gate_halo_ = one_dilation_ ? halo : 0;
  pitch_ = (gate_halo_ + max_steps) * lanes;
  const std::int64_t first_shared = std::max<std::int64_t>(levels.begin, 1);
  if (one_dilation_) inputs_ = activation_rows((levels.end - first_shared) * (halo + max_steps), H);

  for (std::int64_t level = levels.begin; level <= levels.end; ++level) {
    const bool result_only = level == levels.end;
    Boundary b;
    b.hidden_halo = result_only ? 0 : shape.halo_of(level);
    b.cell_halo = result_only ? 0 : shape.dilation_of(level);
    if (one_dilation_ && level > 0 && !result_only) {
      b.hidden = inputs_.narrow(0, (level - first_shared) * pitch_, pitch_);
    } else {
      // below level 0 there is no h but the history: only the halo has rows
      b.hidden = activation_rows(b.hidden_halo + (level == 0 ? 0 : max_steps), H);
    }
    b.cell = rows(b.cell_halo + max_steps, H);
    boundaries_.push_back(b);
  }
  gate_slots_ = keep == Keep::gates ? levels.size() : one_dilation_ ? std::min(levels.size(), kLevelsPerProduct) : 1;
  gates_ = at::empty({gate_slots_ * pitch_, 4 * H}, activations_);
  for (std::int64_t slot = 0; slot < gate_slots_; ++slot) gates_.narrow(0, slot * pitch_, gate_halo_ * lanes).zero_();

  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    if (!shape.injected(level)) continue;
    const std::int64_t dilation = shape.dilation_of(level);
    const bool known = std::any_of(injections_.begin(), injections_.end(), [&](const auto& i) { return i.dilation == dilation; });
    if (known) continue;
    injections_.push_back({.dilation = dilation, .product = activation_rows(max_steps, 4 * H), .gradient = {}});
    // with kept gates nobody reads the product any more once backward of its chunk begins: the gradient takes its place
    const bool in_place = keep == Keep::gates && activations_.dtype() == options_.dtype();
    injections_.back().gradient = in_place ? injections_.back().product : rows(max_steps, 4 * H);
  }
  embedded_halo_ = largest_hidden_halo;
  embedded_ = activation_rows(embedded_halo_ + max_steps, shape.embedding);
  embedded_.narrow(0, 0, embedded_halo_ * lanes).zero_();

  outputs_.resize(static_cast<std::size_t>(shape.output_count()));
  d_outputs_.resize(outputs_.size());
  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    for (const std::int64_t number : shape.outputs_of(level)) {
      outputs_[static_cast<std::size_t>(number)] = rows(max_steps, shape.outputs);
      d_outputs_[static_cast<std::size_t>(number)] = rows(max_steps, shape.outputs);
    }
  }
  d_embedded_ = activation_rows(max_steps, shape.embedding);
  d_hidden_memory_ = activation_rows(largest_hidden_halo + max_steps, H);
  for (at::Tensor& memory : d_cell_memory_) memory = rows(largest_cell_halo + max_steps, H);
  carries_.resize(static_cast<std::size_t>(levels.size()));
}

LevelStack::Boundary& LevelStack::boundary(std::int64_t level) {
  return boundaries_[static_cast<std::size_t>(level - levels_.begin)];
}

LevelStack::Injection* LevelStack::injection(std::int64_t level) {
  if (!shape_.injected(level)) return nullptr;
  return &*std::find_if(injections_.begin(), injections_.end(),
                        [&](const auto& i) { return i.dilation == shape_.dilation_of(level); });
}

at::Tensor LevelStack::hidden_mask_of(std::int64_t level) const {
  return level + 1 < shape_.levels ? hidden_mask_ : at::Tensor();  // the network's last level hands out h itself
}

at::Tensor LevelStack::hidden_rows(Boundary& b, Range time) {
  return b.hidden.narrow(0, (b.hidden_halo + time.begin) * lanes_, time.size() * lanes_);
}

at::Tensor LevelStack::cell_rows(Boundary& b, Range time) {
  return b.cell.narrow(0, (b.cell_halo + time.begin) * lanes_, time.size() * lanes_);
}

at::Tensor LevelStack::embedded_rows(std::int64_t first_step, std::int64_t steps) {
  return embedded_.narrow(0, (embedded_halo_ + first_step) * lanes_, steps * lanes_);
}

at::Tensor LevelStack::gate_rows(std::int64_t level, Range time) {
  return gates_.narrow(0, gate_slot(level) * pitch_ + (gate_halo_ + time.begin) * lanes_, time.size() * lanes_);
}

at::Tensor LevelStack::embedded(Range time) { return embedded_rows(time.begin, time.size()); }
at::Tensor LevelStack::input_hidden(Range time) { return hidden_rows(boundary(levels_.begin), time); }
at::Tensor LevelStack::input_cell(Range time) { return cell_rows(boundary(levels_.begin), time); }
at::Tensor LevelStack::result_hidden(Range time) { return hidden_rows(boundary(levels_.end), time); }
at::Tensor LevelStack::result_cell(Range time) { return cell_rows(boundary(levels_.end), time); }
at::Tensor LevelStack::d_embedded() { return d_embedded_.narrow(0, 0, steps_ * lanes_); }

at::Tensor LevelStack::output(std::int64_t number) {
  const at::Tensor& values = outputs_.at(static_cast<std::size_t>(number));
  return values.defined() ? values.narrow(0, 0, steps_ * lanes_) : at::Tensor();
}

at::Tensor LevelStack::d_output(std::int64_t number) {
  const at::Tensor& values = d_outputs_.at(static_cast<std::size_t>(number));
  return values.defined() ? values.narrow(0, 0, steps_ * lanes_) : at::Tensor();
}

void LevelStack::use_raw_output_gradient() {
  if (levels_.end == shape_.levels) d_raw_output_ = at::empty({max_steps_ * lanes_, shape_.outputs}, options_);
}

at::Tensor LevelStack::d_raw_output() {
  return d_raw_output_.defined() ? d_raw_output_.narrow(0, 0, steps_ * lanes_) : at::Tensor();
}

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
    if (time.begin == 0) fill_history(boundary(level));
    pre_activations(level, time, kernels);
    run_gates(level, time, kernels, Outputs::written);
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
  if (shared) {
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
  const at::Tensor sum = shared.gradient.narrow(0, time.begin * lanes_, time.size() * lanes_);
  add_column_sums(gradients.bias, sum);
  const at::Tensor gradient = shared.product.narrow(0, time.begin * lanes_, time.size() * lanes_);
  round_into(gradient, sum);
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
  if (levels.begin == 0) {  // which has hardly any input rows
    kernel_gradient_of_level(0, time, gradients);
    ++levels.begin;
  }
  if (!levels_multiply_at_once() || time.size() < steps_) {
    for (std::int64_t level = levels.begin; level < levels.end; ++level) kernel_gradient_of_level(level, time, gradients);
    return;
  }
  if (levels.empty()) return;
  const std::int64_t halo = gate_halo_ * lanes_, rows = levels.size() * pitch_ - halo;
  const std::int64_t first_input = (levels.begin - std::max<std::int64_t>(levels_.begin, 1)) * pitch_ + halo;
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
    if (keep_ == Keep::states) {
      pre_activations(level, time, kernels);
      run_gates(level, time, kernels, Outputs::left_alone);
    }

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
    if (keep_ == Keep::states) {
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
  // kept gates have become gradients where they lie, of all chunks in the end
  if (keep_ == Keep::gates && time.begin == 0) kernel_gradient(levels_, {0, steps_}, gradients);
  carried_ = true;
}

}  // namespace trellis
