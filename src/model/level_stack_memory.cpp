// The memory of a stack of levels: what is allocated, once, and which rows of it a level, a chunk or a caller sees.
#include <algorithm>

#include "model/launch.h"
#include "model/level_stack.h"

namespace trellis {

LevelStack::LevelStack(const TrellisShape& shape, Range levels, std::int64_t lanes, std::int64_t max_steps, Keep keep,
                       at::TensorOptions options, std::optional<at::ScalarType> activations)
    : shape_(shape),
      convolution_(shape),
      levels_(levels),
      lanes_(lanes),
      max_steps_(max_steps),
      keep_(keep),
      segments_{levels, keep.every},
      options_(options),
      activations_(activation_options(options, activations)) {
  require(0 <= levels.begin && levels.begin < levels.end && levels.end <= shape.levels, "a stack needs levels of its network");
  const LevelMemory memory = plan_level_memory(shape, levels, lanes, max_steps, keep, activations_.dtype() != options_.dtype());
  const auto allocate = [&](const RowBuffer& buffer) {
    return at::empty({buffer.rows, buffer.channels}, buffer.of == RowBuffer::Of::values ? options_ : activations_);
  };
  one_dilation_ = memory.one_dilation;
  pitch_ = memory.pitch;
  gate_halo_ = memory.gate_halo;
  gate_slots_ = memory.gate_slots;
  embedded_halo_ = memory.hidden_halo;

  if (memory.inputs) inputs_ = allocate(*memory.inputs);
  std::vector<Boundary> workspace;
  for (const LevelMemory::Boundary& slot : memory.workspace) {
    workspace.emplace_back();
    workspace.back().hidden_halo = slot.hidden_halo;
    workspace.back().cell_halo = slot.cell_halo;
    workspace.back().hidden = allocate(slot.hidden);
    workspace.back().cell = allocate(slot.cell);
  }
  for (std::int64_t level = levels.begin; level <= levels.end; ++level) {
    const LevelMemory::Boundary& planned = memory.boundaries[static_cast<std::size_t>(level - levels.begin)];
    Boundary b;
    b.hidden_halo = planned.hidden_halo;
    b.cell_halo = planned.cell_halo;
    b.place_in_inputs = memory.place_in_inputs(level);
    if (segments_.keeps_input_of(level)) {
      if (!b.place_in_inputs) b.hidden = allocate(planned.hidden);
      b.cell = allocate(planned.cell);
    } else {
      // where the level's halo is shorter than another's, its first rows are not used: a step has its place whatever the level
      const auto own_part = [&](const at::Tensor& slot, std::int64_t longest, std::int64_t halo) {
        return slot.narrow(0, (longest - halo) * lanes, (halo + max_steps) * lanes);
      };
      const Boundary& slot = workspace[static_cast<std::size_t>(segments_.place_of(level) - 1)];
      if (!b.place_in_inputs) b.hidden = own_part(slot.hidden, slot.hidden_halo, b.hidden_halo);
      b.cell = own_part(slot.cell, slot.cell_halo, b.cell_halo);
      b.hidden_ends.emplace(b.hidden_halo, lanes);
      b.cell_ends.emplace(b.cell_halo, lanes);
    }
    if (b.place_in_inputs) b.hidden = inputs_.narrow(0, *b.place_in_inputs * pitch_, pitch_);
    boundaries_.push_back(std::move(b));
  }
  gates_ = allocate(memory.gates);
  for (std::int64_t slot = 0; slot < gate_slots_; ++slot) gates_.narrow(0, slot * pitch_, gate_halo_ * lanes).zero_();
  for (const LevelMemory::Injection& planned : memory.injections) {
    Injection injection{.dilation = planned.dilation, .product = allocate(planned.product), .gradient = {}, .slots = {}};
    if (planned.gradient) {
      injection.gradient = allocate(*planned.gradient);
    } else {
      std::vector<std::int64_t> slots;
      for (std::int64_t level = levels.end - 1; level >= levels.begin; --level) {
        if (shape.injected(level) && shape.dilation_of(level) == planned.dilation) slots.push_back(gate_slot(level));
      }
      injection.slots = at::tensor(slots, at::kLong).to(options.device());
    }
    injections_.push_back(std::move(injection));
  }
  embedded_ = allocate(memory.embedded);
  embedded_.narrow(0, 0, embedded_halo_ * lanes).zero_();
  outputs_.resize(static_cast<std::size_t>(shape.output_count()));
  d_outputs_.resize(outputs_.size());
  for (const std::int64_t number : memory.outputs) {
    outputs_[static_cast<std::size_t>(number)] = allocate(memory.output);
    d_outputs_[static_cast<std::size_t>(number)] = allocate(memory.output);
  }
  d_embedded_ = allocate(memory.d_embedded);
  d_hidden_memory_ = allocate(memory.d_hidden);
  for (at::Tensor& cells : d_cell_memory_) cells = allocate(memory.d_cell);
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

}  // namespace trellis
