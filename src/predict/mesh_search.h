// Every mesh that is worth a thought for a number of ranks, best first.
#pragma once

#include <optional>
#include <vector>

#include "predict/prediction.h"

namespace trellis {

// What the user has fixed already; empty: to be found.
struct MeshWishes {
  std::optional<int> data, pipeline;
  std::optional<VocabularyLayout> vocabulary;
  std::int64_t chunks = 0;  // 0: the fastest
};

// Meshes whose stages all have levels and whose replicas all have lanes, with each number of ranks that can share the
// vocabulary; those that do not fit the device's memory last, the rest by predicted time.
// Throws ConfigError, with the numbers to change, where there is none.
std::vector<PlanReport> search_meshes(const RunNumbers& run, int ranks, const MeshWishes& wishes, const Rates& rates);

}  // namespace trellis
