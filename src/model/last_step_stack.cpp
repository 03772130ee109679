#include "model/last_step_stack.h"

#include <utility>

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {
namespace {

std::vector<std::int64_t> dilations_of(const TrellisShape& shape) {
  std::vector<std::int64_t> dilations;
  for (std::int64_t level = 0; level < shape.levels; ++level) dilations.push_back(shape.dilation_of(level));
  return dilations;
}

// The places as the kernels of values' device see them; on a CPU they are shared.
at::Tensor on_device_of(const std::vector<std::int64_t>& places, const at::Tensor& values) {
  const at::Tensor host = at::from_blob(const_cast<std::int64_t*>(places.data()), {static_cast<std::int64_t>(places.size())}, at::kLong);
  return on_device(host, values.device());
}

// values [nodes * lanes, channels], perhaps strided by rows, from or into the steps of a contiguous matrix
void gather(const at::Tensor& values, const std::vector<std::int64_t>& places, const at::Tensor& source, std::int64_t lanes) {
  const at::Tensor where = on_device_of(places, values);
  with_activation_type(values.scalar_type(), [&]<class T>() {
    const GatherSteps<T> args{.channels = values.size(1), .lanes = lanes, .places = where.const_data_ptr<std::int64_t>(), .source = const_data<T>(source),
                              .stride = values.stride(0), .values = mutable_data<T>(values)};
    launch(values.device(), kernels_for<T>(values.device()).gather_steps, args, {0, values.size(0)}, grain_for(values.size(1)));
  });
}

void scatter_add(const at::Tensor& sums, const std::vector<std::int64_t>& places, const at::Tensor& values, std::int64_t lanes) {
  const at::Tensor where = on_device_of(places, values);
  with_activation_type(values.scalar_type(), [&]<class T>() {
    const ScatterAddSteps<T> args{.channels = values.size(1), .lanes = lanes, .places = where.const_data_ptr<std::int64_t>(), .stride = values.stride(0),
                                  .values = const_data<T>(values), .sums = mutable_data<T>(sums)};
    launch(values.device(), kernels_for<T>(values.device()).scatter_add_steps, args, {0, values.size(0)}, grain_for(values.size(1)));
  });
}

}  // namespace

LastStepStack::LastStepStack(const TrellisShape& shape, std::int64_t steps, std::int64_t max_lanes, Keep keep, at::TensorOptions options,
                             std::optional<at::ScalarType> activations)
    : shape_(shape), steps_(steps), convolution_(shape), keep_(keep) {
  const NeededSteps needed(steps, shape.kernel, dilations_of(shape));
  const std::int64_t H = shape.hidden, k = shape.kernel, most = needed.largest() * max_lanes;
  const at::TensorOptions activation = activation_options(options, activations);
  at::Tensor shared_gates;
  if (!keep.all_gates) shared_gates = at::empty({most, 4 * H}, activation);
  for (std::int64_t number = 0; number < shape.levels; ++number) {
    Level l;
    l.nodes = static_cast<std::int64_t>(needed.of_level(number).size());
    const std::int64_t dilation = shape.dilation_of(number);
    for (std::int64_t tap = 0; tap < k; ++tap) {
      const std::int64_t delay = (k - 1 - tap) * dilation;
      l.input_places.push_back(needed.places_in_input(number, delay));
      if (number > 0) l.hidden_places.push_back(needed.places_below(number, delay));
    }
    if (number > 0) l.cell_places = needed.places_below(number, dilation);
    l.hidden = at::empty({l.nodes * max_lanes, H}, activation);
    l.cell = at::empty({l.nodes * max_lanes, H}, options);
    l.gates = !keep.all_gates ? shared_gates : at::empty({l.nodes * max_lanes, 4 * H}, activation);
    levels_.push_back(std::move(l));
  }
  output_ = at::empty({max_lanes, shape.outputs}, options);
  d_output_ = at::empty_like(output_);
  input_taps_ = at::empty({most, k, shape.embedding}, activation);
  hidden_taps_ = at::empty({most, k, H}, activation);
  for (at::Tensor& memory : d_hidden_) memory = at::empty({most, H}, activation);
  for (at::Tensor* const memory : {&previous_cell_, &d_previous_cell_, &d_cell_[0], &d_cell_[1]}) *memory = at::empty({most, H}, options);
  if (activation.dtype() != options.dtype()) rounded_input_ = at::empty({steps * max_lanes, shape.embedding}, activation);
}

at::Tensor LastStepStack::gather_taps(const at::Tensor& memory, const std::vector<std::vector<std::int64_t>>& places,
                                      const at::Tensor& source) const {
  const at::Tensor taps = rows(memory, static_cast<std::int64_t>(places[0].size()));
  for (std::size_t tap = 0; tap < places.size(); ++tap) gather(taps.select(1, static_cast<std::int64_t>(tap)), places[tap], source, lanes_);
  return taps;
}

at::Tensor LastStepStack::input_taps(std::int64_t number) { return gather_taps(input_taps_, level(number).input_places, input_); }

at::Tensor LastStepStack::hidden_taps(std::int64_t number) {
  return gather_taps(hidden_taps_, level(number).hidden_places, level(number - 1).hidden);
}

at::Tensor LastStepStack::previous_cell(std::int64_t number) {
  const at::Tensor cell = rows(previous_cell_, level(number).nodes);
  if (number == 0) {
    cell.zero_();
  } else {
    gather(cell, level(number).cell_places, level(number - 1).cell, lanes_);
  }
  return cell;
}

at::Tensor LastStepStack::hidden_mask_of(std::int64_t number) const {
  return number + 1 < shape_.levels ? hidden_mask_ : at::Tensor();  // the last level hands out h itself
}

void LastStepStack::compute(std::int64_t number, const ConvolutionKernels& kernels, Outputs outputs) {
  const TimeSpan timed("pre-activations", number);
  Level& l = level(number);
  const at::Tensor gates = rows(l.gates, l.nodes);
  Accumulate accumulate = Accumulate::overwrite;
  if (shape_.injected(number)) {
    multiply(gates, input_taps(number).flatten(1), kernels.input.flatten(1).t(), accumulate);
    accumulate = Accumulate::add;
  }
  if (number > 0) convolution_.forward_taps(gates, hidden_taps(number), kernels.hidden, accumulate);
  GateRows all{.gates = gates,
               .injection = {},
               .bias = kernels.bias,
               .previous_cell = previous_cell(number),
               .hidden_mask = hidden_mask_of(number),
               .cell = rows(l.cell, l.nodes),
               .hidden = rows(l.hidden, l.nodes),
               .outputs = {}};
  if (number + 1 == shape_.levels && outputs == Outputs::written) all.outputs.add(output(), {});
  const TimeSpan timed_gates("gates", number);
  gates_forward(shape_, lanes_, all);
}

void LastStepStack::forward(std::int64_t lanes, at::Tensor input, at::Tensor hidden_mask, const ConvolutionKernels& kernels) {
  require(0 < lanes && lanes <= output_.size(0), "as many sequences as the stack was made for, one at least");
  require(input.is_contiguous() && input.size(0) == steps_ * lanes && input.size(1) == shape_.embedding, "the input is [steps * lanes, E]");
  if (hidden_mask.defined()) expect_shape("hidden dropout mask", hidden_mask, {lanes, shape_.hidden});
  lanes_ = lanes;
  if (rounded_input_.defined()) {
    input_ = rounded_input_.narrow(0, 0, input.size(0));
    round_into(input_, input);
  } else {
    input_ = std::move(input);
  }
  hidden_mask_ = std::move(hidden_mask);
  for (std::int64_t number = 0; number < shape_.levels; ++number) compute(number, kernels, Outputs::written);
}

void LastStepStack::backward(const ConvolutionKernels& kernels, const ConvolutionKernels& gradients) {
  for (std::int64_t number = shape_.levels - 1; number >= 0; --number) {
    const TimeSpan timed("level backward", number);
    Level& l = level(number);
    const auto here = static_cast<std::size_t>(number % 2), below = 1 - here;
    const bool last = number + 1 == shape_.levels;
    if (!keep_.all_gates) compute(number, kernels, Outputs::left_alone);
    const at::Tensor d_gates = rows(l.gates, l.nodes);
    GateGradientRows all{.gates = d_gates,
                         .cell = rows(l.cell, l.nodes),
                         .previous_cell = previous_cell(number),
                         .hidden_mask = hidden_mask_of(number),
                         .d_hidden = last ? at::Tensor() : rows(d_hidden_[here], l.nodes),
                         .d_cell = last ? at::Tensor() : rows(d_cell_[here], l.nodes),
                         .d_outputs = {},
                         .d_previous_cell = number > 0 ? rows(d_previous_cell_, l.nodes) : at::Tensor(),
                         .d_injection = {}};
    if (last) all.d_outputs.add(d_output(), {});
    {
      const TimeSpan timed_gates("gates backward", number);
      gates_backward(shape_, lanes_, all);
      add_column_sums(gradients.bias, d_gates);
    }
    if (shape_.injected(number)) multiply_into(gradients.input.flatten(1), d_gates.t(), input_taps(number).flatten(1), Accumulate::add, scratch_);
    if (number == 0) break;

    const at::Tensor taps = hidden_taps(number);
    {
      const TimeSpan timed_kernel("kernel gradient", number);
      convolution_.backward_kernel_taps(gradients.hidden, d_gates, taps);
    }
    const TimeSpan timed_hidden("hidden gradient", number);
    convolution_.backward_taps(taps, d_gates, kernels.hidden);  // the gradient takes the memory of what it is the gradient of
    const std::int64_t nodes_below = level(number - 1).nodes;
    const at::Tensor d_hidden = rows(d_hidden_[below], nodes_below), d_cell = rows(d_cell_[below], nodes_below);
    d_hidden.zero_();
    d_cell.zero_();
    for (std::size_t tap = 0; tap < l.hidden_places.size(); ++tap) {
      scatter_add(d_hidden, l.hidden_places[tap], taps.select(1, static_cast<std::int64_t>(tap)), lanes_);
    }
    scatter_add(d_cell, l.cell_places, rows(d_previous_cell_, l.nodes), lanes_);
  }
}

}  // namespace trellis
