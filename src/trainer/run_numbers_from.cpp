#include "trainer/run_numbers_from.h"

#include "train/from_settings.h"

namespace trellis {

RunNumbers run_numbers_from(const Settings& settings, const TrellisShape& shape, bool gpu) {
  RunNumbers run;
  run.shape = shape;
  run.lanes = settings.train.lanes;
  run.steps = settings.train.window;
  run.discard = settings.train.discard;
  run.lane_groups = settings.mesh.lane_groups;
  run.accumulate = settings.train.accumulate;
  run.keep = keep_from(settings);
  const std::int64_t weights = settings.train.precision == Precision::float64 ? 8 : 4;
  run.element = {.weights = weights, .activations = settings.train.precision == Precision::bf16 ? 2 : weights};
  const bool two_means = settings.optimizer.name != OptimizerName::sgd;
  run.optimizer_copies = two_means ? 2 : settings.optimizer.averaging != Averaging::never ? 1 : 0;
  run.windows_ahead = settings.data.prefetch;
  run.slowness = settings.penalty.slowness > 0;
  run.gpu = gpu;
  return run;
}

MeshWishes mesh_wishes_from(const Settings& settings, const SettingOrigins& origins) {
  MeshWishes wishes;
  if (origins.contains("mesh.data") && settings.mesh.data > 0) wishes.data = settings.mesh.data;
  if (origins.contains("mesh.pipeline")) wishes.pipeline = settings.mesh.pipeline;
  if (origins.contains("mesh.vocabulary")) wishes.vocabulary = settings.mesh.vocabulary;
  wishes.chunks = settings.mesh.chunks.count;
  return wishes;
}

}  // namespace trellis
