#include "model/launch.h"

#include <numeric>
#include <sstream>

#include "model/split_products.h"

namespace trellis {

void expect_shape(const char* name, const at::Tensor& tensor, at::IntArrayRef sizes) {
  if (tensor.defined() && tensor.sizes() == sizes) return;
  std::ostringstream text;
  text << name << ": expected " << sizes << ", got ";
  if (tensor.defined()) {
    text << tensor.sizes();
  } else {
    text << "nothing";
  }
  throw InternalError(text.str(), "", "");
}

void multiply(at::Tensor out, const at::Tensor& a, const at::Tensor& b, Accumulate accumulate) {
  if (out.numel() == 0) return;
  if (split_products_in_use() && can_split(out, a, b)) {
    multiply_split(out, a, b, accumulate);
  } else if (accumulate == Accumulate::add) {
    if (a.size(1) != 0) out.addmm_(a, b);
  } else {
    at::mm_out(out, a, b);
  }
}

void multiply_into(const at::Tensor& out, const at::Tensor& a, const at::Tensor& b, Accumulate accumulate, at::Tensor& scratch) {
  if (out.scalar_type() == a.scalar_type()) {
    multiply(out, a, b, accumulate);
    return;
  }
  if (out.numel() == 0) return;
  if (out.is_cuda()) {  // which multiplies so; a CPU rounds the product
    at::Tensor sum = out;
    if (accumulate == Accumulate::overwrite) {
      at::mm_out(sum, a, b, out.scalar_type());
    } else {
      at::addmm_out(sum, sum, a, b, out.scalar_type());
    }
    return;
  }
  if (!scratch.defined() || scratch.numel() < out.numel()) scratch = at::empty({out.numel()}, a.options());
  at::Tensor product = scratch.narrow(0, 0, out.numel()).view(out.sizes());
  at::mm_out(product, a, b);
  with_activation_type(a.scalar_type(), [&]<class A>() {
    const WidenRows<A> args{.columns = out.size(1),
                            .values = const_data<A>(product),
                            .stride = out.stride(0),
                            .sums = mutable_data<Compute<A>>(out),
                            .add = accumulate == Accumulate::add};
    launch(out.device(), kernels_for<A>(out.device()).widen_rows, args, {0, out.size(0)}, grain_for(out.size(1)));
  });
}

void round_into(const at::Tensor& into, const at::Tensor& from) {
  if (into.is_same(from) || into.const_data_ptr() == from.const_data_ptr()) return;
  with_activation_type(into.scalar_type(), [&]<class A>() {
    const RoundElements<A> args{.from = const_data<Compute<A>>(from), .values = mutable_data<A>(into)};
    launch(into.device(), kernels_for<A>(into.device()).round_elements, args, {0, into.numel()}, kGrainElements);
  });
}

at::Tensor sum_in_order(const at::Tensor& numbers) {
  require(numbers.is_contiguous(), "numbers that are summed in order are contiguous");
  if (!numbers.is_cpu()) return numbers.sum();
  const double* const first = numbers.const_data_ptr<double>();  // LibTorch's sum of many would depend on threads
  return at::scalar_tensor(std::accumulate(first, first + numbers.numel(), 0.0), at::kDouble);
}

at::Tensor sum_of_squares(const at::Tensor& values) {
  require(values.is_contiguous(), "squares are summed over contiguous memory");
  const std::int64_t blocks = (values.numel() + kNormBlock - 1) / kNormBlock;
  const at::Tensor sums = at::empty({blocks}, values.options().dtype(at::kDouble));
  with_element_type(values.scalar_type(), [&]<class T>() {
    const auto kernel = kernels_for<T>(values.device()).squared_norm;
    launch_range(values.device(), {0, blocks}, 1, [&](Range part, void* stream) {
      kernel(values.const_data_ptr<T>(), values.numel(), sums.mutable_data_ptr<double>(), part, stream);
    });
  });
  return sum_in_order(sums);
}

void sum_over_levels(const at::Tensor& sums, const at::Tensor& values, std::int64_t distance, const at::Tensor& places) {
  require(sums.is_contiguous() && values.is_contiguous() && sums.size(1) == values.size(1), "levels are summed over contiguous rows of one length");
  with_activation_type(sums.scalar_type(), [&]<class A>() {
    const LevelSums<A> args{.count = places.size(0),
                            .places = places.const_data_ptr<std::int64_t>(),
                            .distance = distance * sums.size(1),
                            .values = const_data<A>(values),
                            .sums = mutable_data<A>(sums)};
    launch(sums.device(), kernels_for<A>(sums.device()).level_sums, args, {0, sums.numel()}, std::max<std::int64_t>(1024, grain_for(places.size(0))));
  });
}

void add_column_sums(const at::Tensor& sums, const at::Tensor& values) {
  if (values.numel() == 0) return;
  with_activation_type(values.scalar_type(), [&]<class A>() {
    const ColumnSums<A> args{.rows = values.size(0),
                             .columns = values.size(1),
                             .stride = values.stride(0),
                             .values = const_data<A>(values),
                             .sums = mutable_data<Compute<A>>(sums)};
    launch(values.device(), kernels_for<A>(values.device()).column_sums, args, {0, values.size(1)}, std::max<std::int64_t>(64, grain_for(values.size(0))));
  });
}

}  // namespace trellis
