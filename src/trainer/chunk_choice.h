// How many chunks of time a run's windows are cut into: as the settings say, or by rule where mesh.chunks is auto.
#pragma once

#include <cstdint>
#include <optional>

#include "config/settings.h"
#include "plan/mesh.h"
#include "plan/pipeline_schedule.h"
#include "plan/trellis_shape.h"

namespace trellis {

// What mesh.chunks=auto is on this mesh; nothing where it is not auto, or the pipeline has no stages. saved: what a run that is
// resumed has had, and keeps as long as it has as many stages, whatever the rule would say now. The same on every rank.
std::optional<ChunkChoice> choose_chunks(const Settings& settings, const TrellisShape& shape, const Mesh& mesh, bool gpu,
                                         const std::optional<ChunkChoice>& saved);

// The chunks of a run for which that was chosen.
std::int64_t chunks_of(const Settings& settings, const std::optional<ChunkChoice>& chosen);

}  // namespace trellis
