// What one rank holds of the vocabulary, and with whom it holds the rest.
#pragma once

#include "comm/process_group.h"
#include "plan/trellis_shape.h"
#include "plan/vocabulary_stripes.h"

namespace trellis {

struct VocabularyShare {
  VocabularyStripes stripes;
  int place = 0;
  const ProcessGroup* group = nullptr;  // the ranks of `stripes`, in order; null if it is this rank alone

  static VocabularyShare whole(const TrellisShape& shape) { return {VocabularyStripes(shape.vocabulary, shape.cutoffs, 1)}; }
};

}  // namespace trellis
