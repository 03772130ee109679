#include "model/gates.h"

#include <utility>

namespace trellis {
void OutputRows::add(at::Tensor values, at::Tensor mask) {
  require(count_ < kMaxGateOutputs, "a level has at most kMaxGateOutputs outputs");
  rows_[static_cast<std::size_t>(count_++)] = {std::move(values), std::move(mask)};
}

void gates_forward(const TrellisShape& shape, std::int64_t lanes, const GateRows& rows) {
  with_activation_type(rows.gates.scalar_type(), [&]<class A>() {
    using T = Compute<A>;
    GatesForward<A> args;
    args.channels = shape.hidden, args.blocks = shape.blocks(), args.outputs = shape.outputs, args.lanes = lanes;
    args.gates = mutable_data<A>(rows.gates);
    args.injection = const_data<A>(rows.injection);
    args.bias = const_data<T>(rows.bias);
    args.previous_cell = const_data<T>(rows.previous_cell);
    args.hidden_mask = const_data<T>(rows.hidden_mask);
    args.cell = mutable_data<T>(rows.cell);
    args.hidden = mutable_data<A>(rows.hidden);
    for (int n = 0; n < rows.outputs.count(); ++n) {
      args.output[args.output_count++] = {mutable_data<T>(rows.outputs[n].values), const_data<T>(rows.outputs[n].mask)};
    }
    launch(rows.gates.device(), kernels_for<A>(rows.gates.device()).gates_forward, args, {0, rows.gates.size(0)}, grain_for(20 * shape.hidden));
  });
}

void gates_backward(const TrellisShape& shape, std::int64_t lanes, const GateGradientRows& rows) {
  with_activation_type(rows.gates.scalar_type(), [&]<class A>() {
    using T = Compute<A>;
    GatesBackward<A> args;
    args.channels = shape.hidden, args.blocks = shape.blocks(), args.outputs = shape.outputs, args.lanes = lanes;
    args.gates = mutable_data<A>(rows.gates);
    args.cell = const_data<T>(rows.cell);
    args.previous_cell = const_data<T>(rows.previous_cell);
    args.hidden_mask = const_data<T>(rows.hidden_mask);
    args.d_hidden = const_data<A>(rows.d_hidden);
    args.d_cell = const_data<T>(rows.d_cell);
    for (int n = 0; n < rows.d_outputs.count(); ++n) {
      args.output[args.output_count++] = {const_data<T>(rows.d_outputs[n].values), const_data<T>(rows.d_outputs[n].mask)};
    }
    args.d_previous_cell = mutable_data<T>(rows.d_previous_cell);
    args.d_injection = mutable_data<T>(rows.d_injection);
    args.add_to_injection = rows.to_injection == Accumulate::add;
    launch(rows.gates.device(), kernels_for<A>(rows.gates.device()).gates_backward, args, {0, rows.gates.size(0)}, grain_for(20 * shape.hidden));
  });
}

}  // namespace trellis
