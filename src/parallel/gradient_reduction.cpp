#include "parallel/gradient_reduction.h"

#include "base/time_span.h"

namespace trellis {

void reduce_gradients(const ProcessGroup& group, Parameters& gradients) {
  if (group.size() == 1) return;
  const at::Tensor reduced = gradients.flat().narrow(0, 0, gradients.layout().reduced_size());
  const TimeSpan timed("gradient reduction", {.bytes = static_cast<std::int64_t>(reduced.nbytes())});
  group.all_reduce(reduced, Reduction::sum);
}

}  // namespace trellis
