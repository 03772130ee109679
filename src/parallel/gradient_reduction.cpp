#include "parallel/gradient_reduction.h"

#include "base/time_span.h"

namespace trellis {

void GradientReduction::start_striped() {
  started_ = true;
  if (groups_.copies.size() > 1) striped_ = groups_.copies.start_all_reduce(part(0, gradients_.layout().striped_size()), Reduction::sum);
}

void GradientReduction::finish() {
  if (groups_.world.size() == 1) return;
  const std::int64_t striped = gradients_.layout().striped_size(), all = gradients_.layout().reduced_size();
  const bool in_one = !started_ && groups_.mesh.vocabulary == 1;
  const TimeSpan timed("gradient reduction", {.bytes = (all - (in_one ? 0 : striped)) * static_cast<std::int64_t>(gradients_.flat().element_size())});
  if (in_one) {
    reduce_gradients(groups_.world, gradients_);
    return;
  }
  if (!started_ && groups_.copies.size() > 1) groups_.copies.all_reduce(part(0, striped), Reduction::sum);
  groups_.world.all_reduce(part(striped, all), Reduction::sum);
  striped_.wait();
}

void reduce_gradients(const ProcessGroup& group, Parameters& gradients) {
  if (group.size() == 1) return;
  group.all_reduce(gradients.flat().narrow(0, 0, gradients.layout().reduced_size()), Reduction::sum);
}

}  // namespace trellis
