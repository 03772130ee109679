// What one rank holds of the vocabulary, and with whom it holds the rest.
#pragma once

#include "comm/mesh_groups.h"
#include "plan/trellis_shape.h"
#include "plan/vocabulary_stripes.h"

namespace trellis {

struct VocabularyShare {
  VocabularyStripes stripes;
  int place = 0;
  const ProcessGroup* group = nullptr;  // the ranks of `stripes`, in order; null if it is this rank alone

  static VocabularyShare whole(const TrellisShape& shape) { return {VocabularyStripes(shape.vocabulary, shape.cutoffs, 1)}; }
  // Of a rank of a mesh. groups must outlive the share.
  static VocabularyShare of(const MeshGroups& groups, const TrellisShape& shape) {
    const Mesh& mesh = groups.mesh;
    return {VocabularyStripes(shape.vocabulary, shape.cutoffs, mesh.vocabulary), mesh.place_of(groups.rank),
            mesh.vocabulary > 1 ? &groups.vocabulary : nullptr};
  }
};

}  // namespace trellis
