#include "trainer/chunk_choice.h"

#include <algorithm>

#include "predict/prediction.h"
#include "trainer/run_numbers_from.h"

namespace trellis {

std::optional<ChunkChoice> choose_chunks(const Settings& settings, const TrellisShape& shape, const Mesh& mesh, bool gpu,
                                         const std::optional<ChunkChoice>& saved) {
  if (!settings.mesh.chunks.automatic() || mesh.pipeline == 1) return std::nullopt;
  if (saved && saved->stages == mesh.pipeline) return saved;
  return ChunkChoice{mesh.pipeline, chunks_by_rule(run_numbers_from(settings, shape, gpu), mesh)};
}

std::int64_t chunks_of(const Settings& settings, const std::optional<ChunkChoice>& chosen) {
  return chosen ? chosen->chunks : std::max<std::int64_t>(1, settings.mesh.chunks.count);
}

}  // namespace trellis
