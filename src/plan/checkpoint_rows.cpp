#include "plan/checkpoint_rows.h"

namespace trellis {

std::vector<Range> rows_to_write(std::span<const HeldRows> tensors, const Mesh& mesh, int rank) {
  std::vector<RowBlock> stripes, whole;
  for (const HeldRows& tensor : tensors) (tensor.striped ? stripes : whole).push_back(tensor.memory);
  const std::vector<Range> of_stripes = partition_rows(stripes, mesh.groups(), mesh.group_of(rank));
  const std::vector<Range> of_whole = partition_rows(whole, mesh.ranks(), rank);
  std::vector<Range> rows;
  auto next_stripe = of_stripes.begin(), next_whole = of_whole.begin();
  for (const HeldRows& tensor : tensors) rows.push_back(tensor.striped ? *next_stripe++ : *next_whole++);
  return rows;
}

}  // namespace trellis
