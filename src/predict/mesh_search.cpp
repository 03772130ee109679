#include "predict/mesh_search.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"

namespace trellis {
namespace {

std::vector<int> divisors(int number) {
  std::vector<int> all;
  for (int n = 1; n <= number; ++n) {
    if (number % n == 0) all.push_back(n);
  }
  return all;
}

// The most ranks up to `ranks` for which there is a mesh.
int most_usable(const RunNumbers& run, int ranks) {
  for (int fewer = ranks; fewer > 1; --fewer) {
    for (const int pipeline : divisors(fewer)) {
      if (pipeline <= run.shape.levels && fewer / pipeline <= run.lanes) return fewer;
    }
  }
  return 1;
}

}  // namespace

std::vector<PlanReport> search_meshes(const RunNumbers& run, int ranks, const MeshWishes& wishes, const Rates& rates) {
  // what is asked for has to fit on its own
  if (wishes.data || wishes.pipeline || wishes.vocabulary) {
    const int pipeline = wishes.pipeline.value_or(wishes.data && *wishes.data > 0 && ranks % *wishes.data == 0 ? ranks / *wishes.data : 1);
    make_mesh(ranks, wishes.data.value_or(0), pipeline, wishes.vocabulary.value_or(VocabularyLayout{}), run.shape.levels);
  }
  const double one_rank = predict(run, Mesh{}, 1, rates).tokens_per_second;
  const std::vector<int> parts = divisors(ranks);
  std::vector<PlanReport> reports;
  for (const int pipeline : parts) {
    const int data = ranks / pipeline;
    if (pipeline > run.shape.levels || data > run.lanes) continue;
    if (wishes.pipeline && *wishes.pipeline != pipeline) continue;
    if (wishes.data && *wishes.data != 0 && *wishes.data != data) continue;
    std::vector<int> groups = parts;
    if (wishes.vocabulary) groups = {make_mesh(ranks, data, pipeline, *wishes.vocabulary, run.shape.levels).vocabulary};
    const std::int64_t chunks = wishes.chunks > 0 ? wishes.chunks : fastest_chunks(run, {data, pipeline, 1}, rates);
    for (const int group : groups) {
      if (group > run.shape.vocabulary) continue;
      reports.push_back(predict(run, {data, pipeline, group}, chunks, rates, one_rank));
    }
  }
  if (reports.empty()) {
    const int usable = most_usable(run, ranks);
    throw ConfigError(
        fmt::format("{} ranks, but no mesh gives each a level and a lane: {} levels make at most {} stages, {} lanes at most {} replicas",
                    ranks, run.shape.levels, run.shape.levels, run.lanes, run.lanes),
        "--ranks, train.lanes, model.levels, mesh.data, mesh.pipeline",
        fmt::format("use {} ranks, raise train.lanes (a larger batch), or set neither mesh.data nor mesh.pipeline", usable));
  }
  std::stable_sort(reports.begin(), reports.end(), [&](const PlanReport& a, const PlanReport& b) {
    const bool a_fits = a.fits(rates.device_memory), b_fits = b.fits(rates.device_memory);
    if (a_fits != b_fits) return a_fits;
    if (!a_fits && a.memory.total() != b.memory.total()) return a.memory.total() < b.memory.total();
    return a.time.total() < b.time.total();
  });
  return reports;
}

}  // namespace trellis
