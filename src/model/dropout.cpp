#include "model/dropout.h"

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {
namespace {

void draw(at::Tensor& mask, double rate, const RandomStream& stream, Range rows, std::int64_t width,
          at::TensorOptions options) {
  if (rate == 0) {
    mask = at::Tensor();  // what an earlier window drew at another rate
    return;
  }
  if (!mask.defined() || mask.numel() != rows.size() * width) mask = at::empty({rows.size(), width}, options);
  with_element_type(mask.scalar_type(), [&]<class T>() {
    T* const data = mask.mutable_data_ptr<T>();
    const auto kernel = kernels_for<T>(mask.device()).dropout_mask;
    const std::int64_t base = rows.begin * width;
    launch_range(mask.device(), {base, rows.end * width}, kGrainElements, [&](Range part, void* cuda_stream) {
      kernel(data + (part.begin - base), stream, dropout_threshold(rate), static_cast<T>(1 / (1 - rate)), part, cuda_stream);
    });
  });
}

// Kernels' masks are drawn where they are used; here only from which streams.
void draw_kernel_masks(DropoutMasks& masks, const DropoutRates& rates, std::uint64_t seed, std::uint64_t window) {
  const auto dropout = [&](Purpose purpose) {
    return KernelDropout{.given = {}, .rate = rates.weight, .stream = {.seed = seed, .window = window, .purpose = purpose}};
  };
  masks.input_kernel = dropout(Purpose::input_kernel);
  masks.hidden_kernel = dropout(Purpose::hidden_kernel);
}

}  // namespace

void draw_masks(DropoutMasks& masks, const DropoutRates& rates, const TrellisShape& shape, std::uint64_t seed,
                std::uint64_t window, Range lanes, at::TensorOptions options, std::optional<Range> latent_lanes) {
  const TimeSpan timed("mask drawing");
  const auto stream = [&](Purpose purpose, std::int64_t part = 0) {
    return RandomStream{.seed = seed, .window = window, .purpose = purpose, .part = static_cast<std::uint16_t>(part)};
  };
  draw(masks.embedding_rows, rates.embedding, stream(Purpose::embedding_rows), {0, shape.vocabulary}, 1, options);
  draw(masks.input, rates.input, stream(Purpose::input), lanes, shape.embedding, options);
  draw(masks.hidden, rates.hidden, stream(Purpose::hidden), lanes, shape.hidden, options);
  const auto draw_of_outputs = [&](std::vector<at::Tensor>& of_outputs, double rate, Purpose purpose, Range of_lanes, std::int64_t width) {
    of_outputs.resize(rate == 0 ? 0 : static_cast<std::size_t>(shape.output_count()));
    for (std::size_t n = 0; n < of_outputs.size(); ++n) {
      draw(of_outputs[n], rate, stream(purpose, static_cast<std::int64_t>(n)), of_lanes, width, options);
    }
  };
  draw_of_outputs(masks.outputs, rates.output, Purpose::output, lanes, shape.outputs);
  draw_of_outputs(masks.latents, rates.latent, Purpose::latent, latent_lanes.value_or(lanes), shape.experts * shape.embedding);
  draw_kernel_masks(masks, rates, seed, window);
}

void draw_classifier_masks(DropoutMasks& masks, const DropoutRates& rates, const TrellisShape& shape, std::uint64_t seed,
                           std::uint64_t window, Range lanes, std::int64_t steps, at::TensorOptions options) {
  const TimeSpan timed("mask drawing");
  const auto stream = [&](Purpose purpose) { return RandomStream{.seed = seed, .window = window, .purpose = purpose}; };
  at::Tensor by_lane;  // drawn lane after lane, so that a lane's numbers do not depend on who has its neighbours
  draw(by_lane, rates.input, stream(Purpose::input), lanes, steps * shape.embedding, options);
  masks.input = by_lane.defined() ? by_lane.view({lanes.size(), steps, shape.embedding}).transpose(0, 1).reshape({-1, shape.embedding})
                                  : at::Tensor();
  draw(masks.hidden, rates.hidden, stream(Purpose::hidden), lanes, shape.hidden, options);
  masks.outputs.resize(1);
  draw(masks.outputs[0], rates.output, stream(Purpose::output), lanes, shape.outputs, options);
  draw_kernel_masks(masks, rates, seed, window);
}

}  // namespace trellis
