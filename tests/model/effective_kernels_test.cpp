// Weight dropout drawn from a stream equals the same mask given; both equal autograd.
#include "model/effective_kernels.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::expect_close;
using testing_support::fill_weights;
using testing_support::RandomTensors;

TrellisShape shape_of(std::int64_t kernel, bool weight_norm) {
  return {.levels = 1, .hidden = 9, .outputs = 5, .embedding = 5, .kernel = kernel, .dilations = {1}, .vocabulary = 3, .cutoffs = {}, .weight_norm = weight_norm};
}

// The mask [rows, taps, channels] that a stream stands for: element by element, the last tap never dropped.
at::Tensor mask_of(const KernelDropout& dropout, std::int64_t rows, std::int64_t taps, std::int64_t channels) {
  at::Tensor mask = at::ones({rows, taps, channels}, at::kDouble);
  auto values = mask.accessor<double, 3>();
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t tap = 0; tap + 1 < taps; ++tap) {
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const auto index = static_cast<std::uint64_t>((row * taps + tap) * channels + channel);
        const bool dropped = dropout.stream.word(index) < dropout_threshold(dropout.rate);
        values[row][tap][channel] = dropped ? 0 : 1 / (1 - dropout.rate);
      }
    }
  }
  return mask;
}

TEST(EffectiveKernels, DropoutDrawnByStreamEqualsTheSameMaskGiven) {
  for (const std::int64_t taps : {2, 3}) {
    for (const bool weight_norm : {false, true}) {
      const TrellisShape shape = shape_of(taps, weight_norm);
      SCOPED_TRACE(fmt::format("{} taps, normalised {}", taps, weight_norm));
      RandomTensors random(1);
      const ParameterLayout layout(shape);
      Parameters weights(layout, at::kDouble), by_stream(layout, at::kDouble), by_mask(layout, at::kDouble);
      fill_weights(weights, random);
      by_stream.flat().copy_(random.normal({layout.flat_size()}));
      by_mask.flat().copy_(by_stream.flat());

      DropoutMasks drawn, given;
      draw_masks(drawn, {.weight = 0.4}, shape, 17, 3, {0, 2}, at::kDouble);
      EXPECT_EQ(drawn.input_kernel.rate, 0.4);
      given.input_kernel.given = mask_of(drawn.input_kernel, 36, taps, 5);
      given.hidden_kernel.given = mask_of(drawn.hidden_kernel, 36, taps, 9);
      EXPECT_NEAR(given.hidden_kernel.given.select(1, 0).eq(0).to(at::kDouble).mean().item<double>(), 0.4, 0.1);

      EffectiveKernels a, b;
      const ConvolutionKernels& actual = a.compute(weights, drawn);
      const ConvolutionKernels& expected = b.compute(weights, given);
      expect_close("input kernel", actual.input, expected.input, 1e-14);
      expect_close("hidden kernel", actual.hidden, expected.hidden, 1e-14);
      EXPECT_FALSE(at::equal(actual.hidden, weights.view(weight_norm ? "W2_v" : "W2")));
      EffectiveKernels::backward(weights, drawn, by_stream);
      EffectiveKernels::backward(weights, given, by_mask);
      expect_close("gradients", by_stream.flat(), by_mask.flat(), 1e-14);
    }
  }
}

TEST(EffectiveKernels, EqualAutograd) {
  for (const bool weight_norm : {false, true}) {
    for (const bool dropout : {false, true}) {
      const TrellisShape shape = shape_of(3, weight_norm);
      SCOPED_TRACE(fmt::format("normalised {}, dropout {}", weight_norm, dropout));
      RandomTensors random(2);
      const ParameterLayout layout(shape);
      Parameters weights(layout, at::kDouble), gradients(layout, at::kDouble);
      fill_weights(weights, random);
      DropoutMasks masks;
      if (dropout) masks = testing_support::every_mask(shape, 2, 0.3, random);
      const at::Tensor d_kernel = random.normal({36, 3, 9});
      EffectiveKernels::gradients_of(gradients).hidden.copy_(d_kernel);

      const std::string raw = weight_norm ? "W2_v" : "W2";
      const at::Tensor v = weights.view(raw).clone().requires_grad_();
      const at::Tensor g = weight_norm ? weights.view("W2_g").clone().requires_grad_() : at::Tensor();
      at::Tensor kernel = dropout ? v * masks.hidden_kernel.given : v;
      if (weight_norm) kernel = kernel * (g / kernel.flatten(1).norm(2, 1)).view({-1, 1, 1});
      (kernel * d_kernel).sum().backward();

      EffectiveKernels effective;
      expect_close("kernel", effective.compute(weights, masks).hidden, kernel.detach(), 1e-13);
      EffectiveKernels::backward(weights, masks, gradients);
      expect_close("d_v", gradients.view(raw), v.grad(), 1e-12);
      if (weight_norm) expect_close("d_g", gradients.view("W2_g"), g.grad(), 1e-12);
    }
  }
}

TEST(EffectiveKernels, AreTheParametersThemselvesWhereNothingChangesThem) {
  Parameters weights(ParameterLayout(shape_of(2, false)), at::kDouble);
  EffectiveKernels effective;
  EXPECT_TRUE(effective.compute(weights, {}).hidden.is_same(effective.kernels().hidden));
  EXPECT_EQ(effective.kernels().hidden.const_data_ptr(), weights.view("W2").const_data_ptr());
  EXPECT_EQ(effective.kernels().input.const_data_ptr(), weights.view("W1").const_data_ptr());
}

}  // namespace
}  // namespace trellis
