#include "optimizer/vocabulary_group.h"

#include "base/errors.h"

namespace trellis {

void expect_group_of(const ParameterLayout& layout, VocabularyGroup group) {
  const int size = group ? group->size() : 1, rank = group ? group->rank() : 0;
  require(size == layout.stripes().ranks() && rank == layout.place(), "the vocabulary's group has a rank for every place of the stripes");
}

}  // namespace trellis
