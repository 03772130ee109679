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

}  // namespace trellis
