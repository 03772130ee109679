#include "model/initialize.h"

#include <cmath>

#include "model/launch.h"
#include "plan/random.h"

namespace trellis {
namespace {

// Rows of the published tensor: f(stream of this tensor, n) is its element n, in the order of the whole published shape.
template <class F>
at::Tensor draw_rows(const Parameters& weights, const ParameterInfo& info, Range rows, std::uint64_t seed, F f) {
  std::vector<std::int64_t> shape = info.published;
  shape[0] = rows.size();
  const at::Tensor values = at::empty(shape, weights.flat().options().device(at::kCPU));
  const std::int64_t first = rows.begin * (values.numel() / rows.size());
  const RandomStream stream{.seed = seed, .window = name_hash(info.name), .purpose = Purpose::initial_value};
  with_element_type(values.scalar_type(), [&]<class T>() {
    T* const data = values.mutable_data_ptr<T>();
    at::parallel_for(0, values.numel(), kGrainElements, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t n = begin; n < end; ++n) data[n] = static_cast<T>(f(stream, static_cast<std::uint64_t>(first + n)));
    });
  });
  return values;
}

// A whole tensor, or this rank's words of a striped one.
template <class F>
void draw(Parameters& weights, const ParameterInfo& info, std::uint64_t seed, F f) {
  if (!info.striped) return weights.assign(info.name, draw_rows(weights, info, {0, info.published[0]}, seed, f));
  for (const RowPiece& piece : weights.layout().pieces(info)) {
    weights.view(info.name).narrow(0, piece.memory.begin, piece.memory.size()).copy_(draw_rows(weights, info, piece.whole, seed, f));
  }
}

}  // namespace

void initialize(Parameters& weights, const InitialValues& values, std::uint64_t seed) {
  weights.flat().zero_();
  const auto normal = [&](const RandomStream& stream, std::uint64_t n) { return values.kernel_deviation * stream.normal(n); };
  const auto uniform = [](double range) {
    return [range](const RandomStream& stream, std::uint64_t n) { return range * (2 * stream.uniform(n) - 1); };
  };
  for (const ParameterInfo& info : weights.layout().parameters()) {
    if (info.is_kernel() || info.name == "bias") draw(weights, info, seed, normal);
    if (info.name == "embedding") draw(weights, info, seed, uniform(values.embedding_range));
  }
  for (const char* const layer : {"prior", "latent", "linear"}) {
    const std::string weight = std::string(layer) + "_weight";
    if (!weights.layout().contains(weight)) continue;
    const ParameterInfo& info = weights.layout().find(weight);
    const auto within = uniform(1 / std::sqrt(static_cast<double>(info.published[1])));
    draw(weights, info, seed, within);
    draw(weights, weights.layout().find(std::string(layer) + "_bias"), seed, within);
  }
  for (const char* const kernel : {"W1", "W2"}) {
    const std::string gain = std::string(kernel) + "_g";
    if (!weights.layout().contains(gain)) continue;
    weights.view(gain).copy_(weights.view(std::string(kernel) + "_v").flatten(1).norm(2, 1));
  }
}

}  // namespace trellis
