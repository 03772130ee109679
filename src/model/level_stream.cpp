#include "model/level_stream.h"

#include <algorithm>

#include "model/launch.h"

namespace trellis {
namespace {

std::int64_t largest_halo(const TrellisShape& shape) {
  std::int64_t halo = 0;
  for (std::int64_t level = 0; level < shape.levels; ++level) halo = std::max(halo, shape.halo_of(level));
  return halo;
}

}  // namespace

LevelStream::LevelStream(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, at::TensorOptions options)
    : shape_(shape),
      convolution_(shape),
      lanes_(lanes),
      max_steps_(max_steps),
      front_(std::min(largest_halo(shape), max_steps - 1)),
      embedded_past_(largest_halo(shape), lanes, shape.embedding, options) {
  const auto rows = [&](std::int64_t steps, std::int64_t channels) { return at::empty({steps * lanes, channels}, options); };
  embedded_.memory = rows(front_ + max_steps, shape.embedding);
  for (int n = 0; n < 2; ++n) {
    hidden_[n].memory = rows(front_ + max_steps, shape.hidden);
    cell_[n].memory = rows(front_ + max_steps, shape.hidden);
  }
  for (std::int64_t level = 1; level < shape.levels; ++level) {
    past_.push_back({StepRing(shape.halo_of(level), lanes, shape.hidden, options),
                     StepRing(shape.dilation_of(level), lanes, shape.hidden, options)});
  }
  for (std::int64_t level = 0; level < shape.levels; ++level) {
    const std::int64_t dilation = shape.dilation_of(level);
    const bool known = std::any_of(injections_.begin(), injections_.end(), [&](const auto& i) { return i.dilation == dilation; });
    if (shape.injected(level) && !known) injections_.push_back({dilation, rows(max_steps, 4 * shape.hidden)});
  }
  gates_ = rows(max_steps, 4 * shape.hidden);
  output_ = rows(max_steps, shape.outputs);
  input_scratch_ = rows(max_steps, shape.embedding);
  hidden_scratch_ = rows(max_steps, shape.hidden);
}

void LevelStream::begin_window(const History& history) {
  expect_shape("history.hidden", history.hidden, {lanes_, shape_.hidden});
  expect_shape("history.cell", history.cell, {lanes_, shape_.hidden});
  history_ = {history.hidden.clone(), history.cell.clone()};
  position_ = 0;
  embedded_past_.fill(at::zeros({lanes_, shape_.embedding}, history.hidden.options()));
  for (Past& p : past_) {
    p.hidden.fill(history_.hidden);
    p.cell.fill(history_.cell);
  }
}

at::Tensor LevelStream::embedded(std::int64_t steps) { return chunk_rows(embedded_, 0, steps); }

History LevelStream::history() const {
  const auto n = static_cast<std::size_t>(shape_.levels % 2);
  return {chunk_rows(hidden_[n], steps_ - 1, 1), chunk_rows(cell_[n], steps_ - 1, 1)};
}

at::Tensor LevelStream::delayed(const Chunk& chunk, const StepRing& past, std::int64_t delay, const at::Tensor& scratch) const {
  if (delay >= steps_) return past.read(delay, steps_, scratch);
  if (delay > 0) chunk_rows(chunk, -delay, delay).copy_(past.read(delay, delay, scratch));
  return chunk_rows(chunk, -delay, steps_);
}

std::int64_t LevelStream::steps_before(std::int64_t delay) const { return std::clamp<std::int64_t>(delay - position_, 0, steps_); }

void LevelStream::injection_products(const ConvolutionKernels& kernels) {
  for (Injection& injection : injections_) {
    const at::Tensor product = injection.product.narrow(0, 0, steps_ * lanes_);
    for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
      const std::int64_t delay = (shape_.kernel - 1 - tap) * injection.dilation;
      multiply(product, delayed(embedded_, embedded_past_, delay, input_scratch_), kernels.input.select(1, tap).t(),
               tap == 0 ? Accumulate::overwrite : Accumulate::add);
    }
  }
}

void LevelStream::pre_activations(std::int64_t level, const ConvolutionKernels& kernels) {
  const at::Tensor gates = gates_.narrow(0, 0, steps_ * lanes_);
  if (level == 0) gates.zero_();
  for (std::int64_t tap = 0; tap < shape_.kernel; ++tap) {
    const std::int64_t delay = (shape_.kernel - 1 - tap) * shape_.dilation_of(level);
    if (level > 0) {
      convolution_.forward(gates, delayed(hidden_into(level), past(level).hidden, delay, hidden_scratch_), kernels.hidden, tap,
                           tap == 0 ? Accumulate::overwrite : Accumulate::add);
    } else if (const std::int64_t before = steps_before(delay); before > 0) {
      const at::Tensor history = history_.hidden.repeat({before, 1});
      convolution_.forward(gates.narrow(0, 0, before * lanes_), history, kernels.hidden, tap, Accumulate::add);
    }
  }
}

at::Tensor LevelStream::previous_cell(std::int64_t level) {
  const std::int64_t dilation = shape_.dilation_of(level);
  if (level > 0) return delayed(cell_into(level), past(level).cell, dilation, hidden_scratch_);
  const at::Tensor cell = hidden_scratch_.narrow(0, 0, steps_ * lanes_);
  cell.zero_();
  if (const std::int64_t before = steps_before(dilation); before > 0) {
    cell.narrow(0, 0, before * lanes_).copy_(history_.cell.repeat({before, 1}));
  }
  return cell;
}

void LevelStream::advance(std::int64_t steps, const ConvolutionKernels& kernels) {
  require(0 < steps && steps <= max_steps_, "a stream advances by one step at least and by as many at most as it was made for");
  require(history_.hidden.defined(), "a stream begins with begin_window");
  steps_ = steps;
  injection_products(kernels);
  embedded_past_.push(embedded(steps));
  for (std::int64_t level = 0; level < shape_.levels; ++level) {
    pre_activations(level, kernels);
    const auto injection = std::find_if(injections_.begin(), injections_.end(),
                                        [&](const auto& i) { return i.dilation == shape_.dilation_of(level); });
    GateRows rows{.gates = gates_.narrow(0, 0, steps * lanes_),
                  .injection = shape_.injected(level) ? injection->product.narrow(0, 0, steps * lanes_) : at::Tensor(),
                  .bias = kernels.bias,
                  .previous_cell = previous_cell(level),
                  .hidden_mask = {},
                  .cell = chunk_rows(cell_into(level + 1), 0, steps),
                  .hidden = chunk_rows(hidden_into(level + 1), 0, steps),
                  .outputs = {}};
    if (level + 1 == shape_.levels) rows.outputs.add(output_.narrow(0, 0, steps * lanes_), {});
    gates_forward(shape_, lanes_, rows);
    if (level == 0) continue;
    past(level).hidden.push(chunk_rows(hidden_into(level), 0, steps));
    past(level).cell.push(chunk_rows(cell_into(level), 0, steps));
  }
  position_ += steps;
}

}  // namespace trellis
