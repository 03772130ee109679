// Random weights, masks, tokens and histories for tests of the model, reproducible by seed, and the measure of error.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "model/dropout.h"
#include "model/output_layer.h"

namespace trellis::testing_support {

// Normal values times `scale`. Each object is a stream of its own.
class RandomTensors {
 public:
  RandomTensors(std::uint64_t seed, at::ScalarType type = at::kDouble) : seed_(seed), type_(type) {}
  at::Tensor normal(at::IntArrayRef sizes, double scale = 1);
  // 0 or 1/(1-p)
  at::Tensor mask(at::IntArrayRef sizes, double p);
  // integers in [begin, end)
  at::Tensor integers(std::int64_t count, std::int64_t begin, std::int64_t end);
  // raw kernel mask [4H, k, channels]: the last tap is never dropped
  at::Tensor kernel_mask(std::int64_t rows, std::int64_t taps, std::int64_t channels, double p);

 private:
  std::uint64_t seed_, drawn_ = 0;
  at::ScalarType type_;
};

// Rows of one scale; row r of the outputs has row r % lanes of a mask [lanes, K E].
LossRows loss_rows(const at::Tensor& hidden, const at::Tensor& d_hidden, double scale, const at::Tensor& targets, const at::Tensor& latent_mask = {});

void fill_weights(Parameters& weights, RandomTensors& random);
DropoutMasks every_mask(const TrellisShape& shape, std::int64_t lanes, double p, RandomTensors& random);
// The masks that a SequenceClassifier takes.
DropoutMasks classifier_masks(const TrellisShape& shape, std::int64_t lanes, std::int64_t steps, double p, RandomTensors& random);

// max |a - b| / max |b|, or max |a - b| where b is all zero; infinite for NaN and for other sizes.
double scaled_error(const at::Tensor& actual, const at::Tensor& expected);

// Fails naming `what` unless actual lies within `limit` of expected.
void expect_close(const std::string& what, const at::Tensor& actual, const at::Tensor& expected, double limit);

}  // namespace trellis::testing_support
