#include "model/dropout.h"

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
    at::parallel_for(base, rows.end * width, kGrainElements, [&](std::int64_t begin, std::int64_t end) {
      kernel(data + (begin - base), stream, dropout_threshold(rate), static_cast<T>(1 / (1 - rate)), {begin, end}, nullptr);
    });
  });
}

}  // namespace

void draw_masks(DropoutMasks& masks, const DropoutRates& rates, const TrellisShape& shape, std::uint64_t seed,
                std::uint64_t window, Range lanes, at::TensorOptions options) {
  const auto stream = [&](Purpose purpose, std::int64_t part = 0) {
    return RandomStream{.seed = seed, .window = window, .purpose = purpose, .part = static_cast<std::uint16_t>(part)};
  };
  draw(masks.embedding_rows, rates.embedding, stream(Purpose::embedding_rows), {0, shape.vocabulary}, 1, options);
  draw(masks.input, rates.input, stream(Purpose::input), lanes, shape.embedding, options);
  draw(masks.hidden, rates.hidden, stream(Purpose::hidden), lanes, shape.hidden, options);
  if (rates.output == 0) {
    masks.outputs.clear();
  } else {
    masks.outputs.resize(static_cast<std::size_t>(shape.output_count()));
    for (std::int64_t n = 0; n < shape.output_count(); ++n) {
      draw(masks.outputs[static_cast<std::size_t>(n)], rates.output, stream(Purpose::output, n), lanes, shape.outputs, options);
    }
  }
  masks.input_kernel = {.given = {}, .rate = rates.weight, .stream = stream(Purpose::input_kernel)};
  masks.hidden_kernel = {.given = {}, .rate = rates.weight, .stream = stream(Purpose::hidden_kernel)};
}

}  // namespace trellis
