// Sums a window's gradients over data-parallel ranks. Every rank's gradient already carries the weight of its own tokens
// (LanguageModel::forward_backward divides by the tokens of all ranks), so the sum is the mean over all tokens however
// unevenly lanes are dealt.
#pragma once

#include "comm/process_group.h"
#include "model/parameters.h"

namespace trellis {

// In place, before LanguageModel::finish_gradients: the body's gradient travels as that of the effective kernels.
void reduce_gradients(const ProcessGroup& group, Parameters& gradients);

}  // namespace trellis
