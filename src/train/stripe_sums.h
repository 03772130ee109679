// Sums over whole tensors of which each rank of a vocabulary group has stripes only (model/parameters.h).
#pragma once

#include <span>

#include "comm/process_group.h"
#include "model/parameters.h"

namespace trellis {

// The ranks among which the stripes of a layout are divided; null where this rank has all words. A group's ranks are the
// stripes' places, in order.
using VocabularyGroup = const ProcessGroup*;

// Throws InternalError unless the group is that of the layout's stripes.
void expect_group_of(const ParameterLayout& layout, VocabularyGroup group);

// Collective over the group. Each value becomes its sum over the ranks, in rank order on whatever device and over whatever
// transport: the same bits on every rank, and in every other group whose ranks hold the same. `device` is that of the group.
void add_over_group(VocabularyGroup group, std::span<double> values, at::Device device);

}  // namespace trellis
