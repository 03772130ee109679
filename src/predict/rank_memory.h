// Memory of one rank by purpose, from the numbers of a run and its mesh. What levels and the loss allocate is counted by the
// code that they allocate by.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "plan/mesh.h"
#include "plan/pipeline_schedule.h"
#include "predict/run_numbers.h"

namespace trellis {

// Bytes.
struct RankMemory {
  std::int64_t weights = 0, gradients = 0, optimizer = 0;
  std::int64_t kernels = 0;      // kernels after normalisation and dropout, as they multiply
  std::int64_t activations = 0;  // of the stage's levels, and what backward works with
  std::int64_t halo = 0;         // steps before the window or chunk
  std::int64_t loss = 0;         // tiles of logits, gathered rows
  std::int64_t exchange = 0;     // rows and messages on their way between ranks
  std::int64_t input = 0;        // windows read ahead, masks
  std::int64_t program = 0;      // libraries and code; where it was measured

  std::int64_t total() const;
  // Purpose and bytes, in the order above.
  std::array<std::pair<std::string_view, std::int64_t>, 10> parts() const;
  bool operator==(const RankMemory&) const = default;
};

// How the run lies in the mesh's pipeline.
inline PipelineLayout layout_of(const RunNumbers& run, const Mesh& mesh) { return {run.shape.levels, mesh.pipeline, run.lane_groups}; }

// chunks: of a window's time.
RankMemory rank_memory(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int rank);

// Of the rank that needs most: in the replica with most lanes, whichever stage.
RankMemory largest_rank_memory(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks);

}  // namespace trellis
