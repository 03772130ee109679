#include "parallel/gradient_reduction.h"

namespace trellis {

void reduce_gradients(const ProcessGroup& group, Parameters& gradients) {
  if (group.size() == 1) return;
  group.all_reduce(gradients.flat().narrow(0, 0, gradients.layout().reduced_size()), Reduction::sum);
}

}  // namespace trellis
