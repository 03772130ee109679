// Which rows of which tensor each rank of a mesh writes into a checkpoint. A checkpoint has every tensor once, whole; a tensor
// lies whole on every rank, or in stripes, of which the ranks of a vocabulary group hold one each and every other group as
// well (plan/vocabulary_stripes.h). Every rank writes about as many bytes. Integers only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/mesh.h"
#include "plan/row_partition.h"
#include "plan/shard_range.h"

namespace trellis {

// A tensor as a rank's memory has it.
struct HeldRows {
  RowBlock memory;
  bool striped = false;  // in stripes: ranks at another place of their group hold other rows
};

// For each tensor the rows of its memory that this rank writes. Ranks at one place of their groups, or all ranks where the
// tensor is whole, have the same rows in memory.
std::vector<Range> rows_to_write(std::span<const HeldRows> tensors, const Mesh& mesh, int rank);

}  // namespace trellis
