#include "model/tensor_functions.h"

#include "model/launch.h"

namespace trellis {
namespace {

// On a CPU.
at::Tensor apply(ElementFunction function, const at::Tensor& values) {
  require(values.is_contiguous(), "functions of elements are taken in contiguous memory");
  with_element_type(values.scalar_type(), [&]<class T>() {
    const ApplyFunction<T> args{.function = function, .values = values.mutable_data_ptr<T>()};
    launch(values.device(), kernels_for<T>(values.device()).apply_function, args, {0, values.numel()}, kGrainElements);
  });
  return values;
}

}  // namespace

at::Tensor exponential_(const at::Tensor& values) {
  return values.is_cpu() ? apply(ElementFunction::exponential, values) : values.exp_();
}

at::Tensor logarithm_(const at::Tensor& values) {
  return values.is_cpu() ? apply(ElementFunction::logarithm, values) : values.log_();
}

at::Tensor hyperbolic_tangent_(const at::Tensor& values) {
  return values.is_cpu() ? apply(ElementFunction::hyperbolic_tangent, values) : values.tanh_();
}

at::Tensor log_softmax(const at::Tensor& rows) {
  if (!rows.is_cpu()) return at::log_softmax(rows, 1);
  const at::Tensor below = rows - rows.amax(1, true);  // the largest
  return below.sub_(logarithm_(exponential_(below.clone()).sum(1, true)));
}

at::Tensor log_sum_exp(const at::Tensor& values, std::int64_t dim) {
  if (!values.is_cpu()) return at::logsumexp(values, dim, true);
  const at::Tensor largest = values.amax(dim, true);
  return logarithm_(exponential_((values - largest).contiguous()).sum(dim, true)).add_(largest);
}

}  // namespace trellis
