#include "tests/model/random_cases_helpers.h"

#include <cmath>
#include <limits>

#include "plan/random.h"

namespace trellis::testing_support {

at::Tensor RandomTensors::normal(at::IntArrayRef sizes, double scale) {
  at::Tensor values = at::empty(sizes, at::kDouble);
  const RandomStream stream{.seed = seed_, .window = drawn_++};
  double* const data = values.mutable_data_ptr<double>();
  for (std::int64_t n = 0; n < values.numel(); ++n) data[n] = scale * stream.normal(static_cast<std::uint64_t>(n));
  return values.to(type_);
}

at::Tensor RandomTensors::mask(at::IntArrayRef sizes, double p) {
  at::Tensor values = at::empty(sizes, at::kDouble);
  const RandomStream stream{.seed = seed_, .window = drawn_++};
  double* const data = values.mutable_data_ptr<double>();
  for (std::int64_t n = 0; n < values.numel(); ++n) data[n] = stream.uniform(static_cast<std::uint64_t>(n)) < p ? 0 : 1 / (1 - p);
  return values.to(type_);
}

at::Tensor RandomTensors::integers(std::int64_t count, std::int64_t begin, std::int64_t end) {
  at::Tensor values = at::empty({count}, at::kLong);
  const RandomStream stream{.seed = seed_, .window = drawn_++};
  std::int64_t* const data = values.mutable_data_ptr<std::int64_t>();
  for (std::int64_t n = 0; n < count; ++n) data[n] = begin + stream.word(static_cast<std::uint64_t>(n)) % (end - begin);
  return values;
}

at::Tensor RandomTensors::kernel_mask(std::int64_t rows, std::int64_t taps, std::int64_t channels, double p) {
  at::Tensor values = mask({rows, taps, channels}, p);
  values.select(1, taps - 1).fill_(1);
  return values;
}

LossRows loss_rows(const at::Tensor& hidden, const at::Tensor& d_hidden, double scale, const at::Tensor& targets, const at::Tensor& latent_mask) {
  LossRows rows{.hidden = hidden, .d_hidden = d_hidden, .targets = targets, .scale = at::full({hidden.size(0)}, scale, hidden.options()),
                .latent_mask = latent_mask};
  if (latent_mask.defined()) rows.latent_rows = at::arange(hidden.size(0), at::kLong).remainder(latent_mask.size(0));
  return rows;
}

void fill_weights(Parameters& weights, RandomTensors& random) {
  for (const ParameterInfo& info : weights.layout().parameters()) {
    const at::Tensor values = random.normal(info.published, 0.3);
    weights.assign(info.name, info.name.ends_with("_g") ? values + 1 : values);
  }
}

DropoutMasks classifier_masks(const TrellisShape& shape, std::int64_t lanes, std::int64_t steps, double p, RandomTensors& random) {
  DropoutMasks masks;
  masks.input = random.mask({steps * lanes, shape.embedding}, p);
  masks.hidden = random.mask({lanes, shape.hidden}, p);
  masks.outputs = {random.mask({lanes, shape.outputs}, p)};
  masks.input_kernel.given = random.kernel_mask(4 * shape.hidden, shape.kernel, shape.embedding, p);
  masks.hidden_kernel.given = random.kernel_mask(4 * shape.hidden, shape.kernel, shape.groups > 0 ? shape.block_channels() : shape.hidden, p);
  return masks;
}

DropoutMasks every_mask(const TrellisShape& shape, std::int64_t lanes, double p, RandomTensors& random) {
  DropoutMasks masks;
  masks.embedding_rows = random.mask({shape.vocabulary}, p);
  masks.input = random.mask({lanes, shape.embedding}, p);
  masks.hidden = random.mask({lanes, shape.hidden}, p);
  for (std::int64_t n = 0; n < shape.output_count(); ++n) masks.outputs.push_back(random.mask({lanes, shape.outputs}, p));
  masks.input_kernel.given = random.kernel_mask(4 * shape.hidden, shape.kernel, shape.embedding, p);
  if (shape.experts > 0) {
    for (std::int64_t n = 0; n < shape.output_count(); ++n) masks.latents.push_back(random.mask({lanes, shape.experts * shape.embedding}, p));
  }
  masks.hidden_kernel.given = random.kernel_mask(4 * shape.hidden, shape.kernel, shape.groups > 0 ? shape.block_channels() : shape.hidden, p);
  return masks;
}

double scaled_error(const at::Tensor& actual, const at::Tensor& expected) {
  if (!actual.defined() || !expected.defined() || actual.sizes() != expected.sizes()) return std::numeric_limits<double>::infinity();
  if (expected.numel() == 0) return 0;
  const at::Tensor a = actual.to(at::kDouble), b = expected.to(at::kDouble);
  const double difference = (a - b).abs().max().item<double>(), largest = b.abs().max().item<double>();
  const double error = largest == 0 ? difference : difference / largest;
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

void expect_close(const std::string& what, const at::Tensor& actual, const at::Tensor& expected, double limit) {
  EXPECT_LE(scaled_error(actual, expected), limit) << what;
}

}  // namespace trellis::testing_support
