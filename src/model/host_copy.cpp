#include "model/host_copy.h"

#include <c10/core/impl/VirtualGuardImpl.h>

namespace trellis {

HostCopy::HostCopy(const at::Tensor& values) : host_(values) {
  if (values.is_cpu()) return;
  host_ = at::empty(values.sizes(), values.options().device(at::kCPU).pinned_memory(true));
  host_.copy_(values, /*non_blocking=*/true);
  arrived_.emplace(values.device().type());
  arrived_->record(c10::impl::VirtualGuardImpl(values.device().type()).getStream(values.device()));
}

const at::Tensor& HostCopy::wait() {
  if (arrived_) arrived_->synchronize();
  return host_;
}

}  // namespace trellis
