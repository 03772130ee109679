// The ranks that hold a layout's stripes of the vocabulary together (model/parameters.h), for sums over whole tensors of which
// each has stripes only.
#pragma once

#include "comm/process_group.h"
#include "model/parameters.h"

namespace trellis {

// Null where this rank has all words. The group's ranks are the stripes' places, in order.
using VocabularyGroup = const ProcessGroup*;

// Throws InternalError unless the group is that of the layout's stripes.
void expect_group_of(const ParameterLayout& layout, VocabularyGroup group);

}  // namespace trellis
