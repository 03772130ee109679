// Sums the ranks' gradients. Each rank's gradient is already weighted by its share of the window's tokens (LanguageModel divides
// by the tokens of all ranks), so the sum is the mean over all tokens however unevenly lanes are split. The body's gradient
// travels as that of the effective kernels, once over the world; that of striped tensors over the copies of the vocabulary;
// where every rank is such a copy, all of it in one message.
#pragma once

#include "comm/mesh_groups.h"
#include "model/parameters.h"

namespace trellis {

class GradientReduction {
 public:
  // Both must outlive this.
  GradientReduction(const MeshGroups& groups, Parameters& gradients) : groups_(groups), gradients_(gradients) {}

  // Collective over the copies: the sum of striped tensors is under way, nobody may touch them until finish.
  void start_striped();
  // Collective over the world. In place, before EffectiveKernels::backward.
  void finish();

 private:
  at::Tensor part(std::int64_t begin, std::int64_t end) const { return gradients_.flat().narrow(0, begin, end - begin); }

  const MeshGroups& groups_;
  Parameters& gradients_;
  bool started_ = false;
  Pending striped_;
};

// All of it over one group of ranks that hold the same parameters.
void reduce_gradients(const ProcessGroup& group, Parameters& gradients);

}  // namespace trellis
