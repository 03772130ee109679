#include "train/stripe_sums.h"

#include <algorithm>

#include "base/errors.h"

namespace trellis {

void expect_group_of(const ParameterLayout& layout, VocabularyGroup group) {
  const int size = group ? group->size() : 1, rank = group ? group->rank() : 0;
  require(size == layout.stripes().ranks() && rank == layout.place(), "the vocabulary's group has a rank for every place of the stripes");
}

// Gathered and added here: how an all-reduce adds is the transport's choice, and may differ from group to group.
void add_over_group(VocabularyGroup group, std::span<double> values, at::Device device) {
  if (!group || group->size() == 1 || values.empty()) return;
  const auto count = static_cast<std::int64_t>(values.size());
  const at::Tensor own = at::empty({count}, at::kDouble), all = at::empty({group->size() * count}, own.options().device(device));
  std::copy(values.begin(), values.end(), own.mutable_data_ptr<double>());
  group->all_gather(all, own.to(device));
  const at::Tensor gathered = all.cpu();
  const double* next = gathered.const_data_ptr<double>();
  std::fill(values.begin(), values.end(), 0.0);
  for (int rank = 0; rank < group->size(); ++rank) {
    for (double& value : values) value += *next++;
  }
}

}  // namespace trellis
