#include "model/effective_kernels.h"

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {
namespace {

template <class T>
KernelMask<T> kernel_mask(const KernelDropout& dropout) {
  KernelMask<T> mask;
  mask.given = const_data<T>(dropout.given);
  mask.threshold = dropout_threshold(dropout.rate);
  mask.scale = static_cast<T>(1 / (1 - dropout.rate));
  mask.stream = dropout.stream;
  return mask;
}

bool active(const KernelDropout& dropout) { return dropout.given.defined() || dropout.rate > 0; }

struct RawKernel {
  at::Tensor direction, gain;  // gain undefined without weight normalisation
};

RawKernel raw_kernel(const Parameters& parameters, const std::string& name) {
  const at::Tensor gain = parameters.view(name + "_g");
  return {parameters.view(gain.defined() ? name + "_v" : name), gain};
}

at::Tensor effective(const RawKernel& raw, const KernelDropout& dropout, at::ScalarType type, at::Tensor& memory) {
  if (!raw.gain.defined() && !active(dropout) && type == raw.direction.scalar_type()) return raw.direction;
  if (!memory.defined()) memory = at::empty_like(raw.direction, raw.direction.options().dtype(type));
  with_activation_type(type, [&]<class A>() {
    using T = Compute<A>;
    const EffectiveKernelForward<A> args{.taps = memory.size(1),
                                         .channels = memory.size(2),
                                         .direction = raw.direction.const_data_ptr<T>(),
                                         .gain = const_data<T>(raw.gain),
                                         .mask = kernel_mask<T>(dropout),
                                         .kernel = mutable_data<A>(memory)};
    launch(memory.device(), kernels_for<A>(memory.device()).effective_kernel_forward, args, {0, memory.size(0)}, grain_for(memory[0].numel()));
  });
  return memory;
}

void raw_gradient(const RawKernel& raw, const KernelDropout& dropout, const RawKernel& gradient) {
  if (!raw.gain.defined() && !active(dropout)) return;
  with_element_type(raw.direction.scalar_type(), [&]<class T>() {
    const EffectiveKernelBackward<T> args{
        .taps = raw.direction.size(1),
        .channels = raw.direction.size(2),
        .direction = raw.direction.const_data_ptr<T>(),
        .gain = const_data<T>(raw.gain),
        .mask = kernel_mask<T>(dropout),
        .d_kernel = gradient.direction.mutable_data_ptr<T>(),
        .d_gain = gradient.gain.defined() ? gradient.gain.mutable_data_ptr<T>() : nullptr};
    launch(raw.direction.device(), kernels_for<T>(raw.direction.device()).effective_kernel_backward, args, {0, raw.direction.size(0)},
           grain_for(raw.direction[0].numel()));
  });
}

}  // namespace

const ConvolutionKernels& EffectiveKernels::compute(const Parameters& weights, const DropoutMasks& masks) {
  const TimeSpan timed("effective kernels");
  const at::ScalarType type = activations_.value_or(weights.flat().scalar_type());
  kernels_ = {effective(raw_kernel(weights, "W1"), masks.input_kernel, type, input_),
              effective(raw_kernel(weights, "W2"), masks.hidden_kernel, type, hidden_), weights.view("bias")};
  return kernels_;
}

ConvolutionKernels EffectiveKernels::gradients_of(const Parameters& gradients) {
  return {raw_kernel(gradients, "W1").direction, raw_kernel(gradients, "W2").direction, gradients.view("bias")};
}

void EffectiveKernels::backward(const Parameters& weights, const DropoutMasks& masks, Parameters& gradients) {
  const TimeSpan timed("finish gradients");
  raw_gradient(raw_kernel(weights, "W1"), masks.input_kernel, raw_kernel(gradients, "W1"));
  raw_gradient(raw_kernel(weights, "W2"), masks.hidden_kernel, raw_kernel(gradients, "W2"));
}

}  // namespace trellis
