#include "trainer/expected_step.h"

#include <algorithm>

#include "base/time_span.h"
#include "predict/prediction.h"
#include "trainer/run_numbers_from.h"

namespace trellis {

double product_flops(at::ScalarType type) {
  constexpr std::int64_t kRows = 256, kColumns = 512;
  const at::Tensor a = at::full({kRows, kColumns}, 0.5, type), b = at::full({kColumns, kColumns}, 0.25, type);
  at::Tensor product = at::empty({kRows, kColumns}, type);
  at::mm_out(product, a, b);  // warms up
  const double begun = steady_seconds();
  std::int64_t products = 0;
  double seconds = 0;
  do {
    at::mm_out(product, a, b);
    ++products;
    seconds = steady_seconds() - begun;
  } while (seconds < 0.05);
  return 2.0 * kRows * kColumns * kColumns * static_cast<double>(products) / seconds;
}

std::optional<double> slow_step_seconds(const Settings& settings, const TrellisShape& shape, const Mesh& mesh, const at::TensorOptions& options) {
  constexpr double kAnyCpu = 1e10, kWithoutDoubt = 10, kSlow = 2;  // operations a second that any reaches; seconds
  if (options.device().is_cuda() || shape.classifier) return std::nullopt;
  const RunNumbers run = run_numbers_from(settings, shape, false);
  const std::int64_t chunks = settings.mesh.chunks.count;
  if (expected_step_seconds(run, mesh, chunks, kAnyCpu) < kWithoutDoubt) return std::nullopt;
  const double seconds = expected_step_seconds(run, mesh, chunks, product_flops(c10::typeMetaToScalarType(options.dtype())));
  return seconds < kSlow ? std::nullopt : std::optional(seconds);
}

double expected_step_seconds(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, double flops) {
  Rates rates;
  rates.flops = flops;
  rates.memory_bandwidth = std::min(flops / 5, 2e12);
  return predict(run, mesh, chunks, rates).time.total();
}

}  // namespace trellis
