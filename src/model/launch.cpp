#include "model/launch.h"

#include <sstream>

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
  if (accumulate == Accumulate::add) {
    if (a.size(1) != 0) out.addmm_(a, b);
  } else {
    at::mm_out(out, a, b);
  }
}

void add_column_sums(at::Tensor sums, const at::Tensor& values) {
  if (values.numel() == 0) return;
  sums.addmv_(values.t(), at::ones({values.size(0)}, values.options()));
}

}  // namespace trellis
