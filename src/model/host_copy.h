// Numbers on their way from the device that computes them to host memory, while both go on with other work.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>

#include <optional>

namespace trellis {

class HostCopy {
 public:
  // Queues the copy behind what the current stream has to do; `values` may change afterwards. On a CPU it is `values` themselves,
  // which must then stay as they are.
  explicit HostCopy(const at::Tensor& values);

  // The values in host memory. Waits until they are there.
  const at::Tensor& wait();

 private:
  at::Tensor host_;
  std::optional<c10::Event> arrived_;  // only from a GPU
};

}  // namespace trellis
