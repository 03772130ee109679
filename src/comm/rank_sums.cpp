#include "comm/rank_sums.h"

namespace trellis {

at::Tensor sum_over_ranks(const ProcessGroup* group, const at::Tensor& values) {
  if (!group || group->size() == 1) return values;
  const std::int64_t ranks = group->size(), count = values.numel();
  const at::Tensor all = at::empty({ranks, count}, values.options());
  group->all_gather(all.view(-1), values.contiguous().view(-1));
  if (!all.is_cpu()) return all.sum(0).view(values.sizes());
  const at::Tensor sums = at::zeros_like(values, at::MemoryFormat::Contiguous);
  double* const sum = sums.mutable_data_ptr<double>();
  const double* next = all.const_data_ptr<double>();
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    for (std::int64_t n = 0; n < count; ++n) sum[n] += *next++;
  }
  return sums;
}

}  // namespace trellis
