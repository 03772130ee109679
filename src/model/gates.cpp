#include "model/gates.h"

#include <utility>

namespace trellis {
namespace {

template <class T>
T* writable_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

}  // namespace

void OutputRows::add(at::Tensor values, at::Tensor mask) {
  require(count_ < kMaxGateOutputs, "a level has at most kMaxGateOutputs outputs");
  rows_[static_cast<std::size_t>(count_++)] = {std::move(values), std::move(mask)};
}

void gates_forward(const TrellisShape& shape, std::int64_t lanes, const GateRows& rows) {
  with_element_type(rows.gates.scalar_type(), [&]<class T>() {
    GatesForward<T> args;
    args.channels = shape.hidden, args.blocks = shape.blocks(), args.outputs = shape.outputs, args.lanes = lanes;
    args.gates = rows.gates.mutable_data_ptr<T>();
    args.injection = data_or_null<T>(rows.injection);
    args.bias = rows.bias.const_data_ptr<T>();
    args.previous_cell = rows.previous_cell.const_data_ptr<T>();
    args.hidden_mask = data_or_null<T>(rows.hidden_mask);
    args.cell = rows.cell.mutable_data_ptr<T>();
    args.hidden = rows.hidden.mutable_data_ptr<T>();
    for (int n = 0; n < rows.outputs.count(); ++n) {
      args.output[args.output_count++] = {rows.outputs[n].values.mutable_data_ptr<T>(), data_or_null<T>(rows.outputs[n].mask)};
    }
    launch(kernels_for<T>(rows.gates.device()).gates_forward, args, {0, rows.gates.size(0)}, grain_for(20 * shape.hidden));
  });
}

void gates_backward(const TrellisShape& shape, std::int64_t lanes, const GateGradientRows& rows) {
  with_element_type(rows.gates.scalar_type(), [&]<class T>() {
    GatesBackward<T> args;
    args.channels = shape.hidden, args.blocks = shape.blocks(), args.outputs = shape.outputs, args.lanes = lanes;
    args.gates = rows.gates.mutable_data_ptr<T>();
    args.cell = rows.cell.const_data_ptr<T>();
    args.previous_cell = rows.previous_cell.const_data_ptr<T>();
    args.hidden_mask = data_or_null<T>(rows.hidden_mask);
    args.d_hidden = data_or_null<T>(rows.d_hidden);
    args.d_cell = data_or_null<T>(rows.d_cell);
    for (int n = 0; n < rows.d_outputs.count(); ++n) {
      args.output[args.output_count++] = {rows.d_outputs[n].values.const_data_ptr<T>(), data_or_null<T>(rows.d_outputs[n].mask)};
    }
    args.d_previous_cell = writable_or_null<T>(rows.d_previous_cell);
    args.d_injection = writable_or_null<T>(rows.d_injection);
    args.add_to_injection = rows.to_injection == Accumulate::add;
    launch(kernels_for<T>(rows.gates.device()).gates_backward, args, {0, rows.gates.size(0)}, grain_for(20 * shape.hidden));
  });
}

}  // namespace trellis
