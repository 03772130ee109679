// Masks depend on the seed, the window and global numbers only, and drop what they are told to.
#include "model/dropout.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>

namespace trellis {
namespace {

const TrellisShape kShape{.levels = 6, .hidden = 300, .outputs = 90, .embedding = 90, .dilations = {1}, .vocabulary = 5000, .cutoffs = {}, .auxiliary_every = 2};
const DropoutRates kRates{.embedding = 0.1, .input = 0.2, .hidden = 0.3, .output = 0.4, .weight = 0.5};

DropoutMasks drawn(Range lanes, std::uint64_t seed = 11, std::uint64_t window = 5, at::ScalarType type = at::kDouble) {
  DropoutMasks masks;
  draw_masks(masks, kRates, kShape, seed, window, lanes, type);
  return masks;
}

TEST(DropoutMasks, OfLanesAreThePartsOfThoseOfAllLanes) {
  const DropoutMasks all = drawn({0, 7}), first = drawn({0, 3}), second = drawn({3, 7});
  EXPECT_TRUE(at::equal(at::cat({first.input, second.input}), all.input));
  EXPECT_TRUE(at::equal(at::cat({first.hidden, second.hidden}), all.hidden));
  ASSERT_EQ(all.outputs.size(), 4u);
  for (std::size_t n = 0; n < 4; ++n) EXPECT_TRUE(at::equal(at::cat({first.outputs[n], second.outputs[n]}), all.outputs[n])) << n;
  EXPECT_TRUE(at::equal(first.embedding_rows, all.embedding_rows));
  EXPECT_TRUE(at::equal(second.embedding_rows, all.embedding_rows));
}

// As many zeros as the rate says, within five deviations, and 1 / (1 - rate) otherwise.
void expect_rate(const char* name, const at::Tensor& mask, double rate) {
  const at::Tensor dropped = mask.eq(0);
  const double share = dropped.to(at::kDouble).mean().item<double>();
  const double deviation = std::sqrt(rate * (1 - rate) / static_cast<double>(mask.numel()));
  EXPECT_NEAR(share, rate, 5 * deviation) << name;
  EXPECT_TRUE((dropped | mask.eq(1 / (1 - rate))).all().item<bool>()) << name;
}

TEST(DropoutMasks, DropWhatTheRatesSayAndScaleTheRest) {
  const DropoutMasks masks = drawn({0, 200});
  EXPECT_EQ(masks.embedding_rows.numel(), 5000);
  EXPECT_EQ(masks.input.sizes(), (std::vector<std::int64_t>{200, 90}));
  EXPECT_EQ(masks.hidden.sizes(), (std::vector<std::int64_t>{200, 300}));
  expect_rate("embedding rows", masks.embedding_rows, 0.1);
  expect_rate("input", masks.input, 0.2);
  expect_rate("hidden", masks.hidden, 0.3);
  for (const at::Tensor& output : masks.outputs) expect_rate("output", output, 0.4);
  EXPECT_EQ(masks.input_kernel.rate, 0.5);
  EXPECT_EQ(masks.hidden_kernel.rate, 0.5);
}

TEST(DropoutMasks, AreTheSameInEitherPrecision) {
  const DropoutMasks wide = drawn({2, 5}), narrow = drawn({2, 5}, 11, 5, at::kFloat);
  EXPECT_EQ(narrow.hidden.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(narrow.hidden.eq(0), wide.hidden.eq(0)));
  EXPECT_TRUE(at::equal(narrow.hidden, wide.hidden.to(at::kFloat)));
  EXPECT_TRUE(at::equal(narrow.embedding_rows.eq(0), wide.embedding_rows.eq(0)));
}

TEST(DropoutMasks, DifferBetweenSeedsWindowsPurposesAndOutputs) {
  const DropoutMasks masks = drawn({0, 7});
  EXPECT_FALSE(at::equal(drawn({0, 7}, 12).hidden, masks.hidden));
  EXPECT_FALSE(at::equal(drawn({0, 7}, 11, 6).hidden, masks.hidden));
  EXPECT_TRUE(at::equal(drawn({0, 7}).hidden, masks.hidden));
  EXPECT_FALSE(at::equal(masks.outputs[0], masks.outputs[1]));
  EXPECT_FALSE(at::equal(masks.outputs[1], masks.outputs[2]));
  EXPECT_FALSE(at::equal(masks.hidden.eq(0).narrow(1, 0, 90), masks.input.eq(0)));
  EXPECT_NE(masks.input_kernel.stream.word(0), masks.hidden_kernel.stream.word(0));
}

TEST(DropoutMasks, ReuseTheirMemory) {
  DropoutMasks masks = drawn({0, 7});
  const void* const memory = masks.hidden.const_data_ptr();
  draw_masks(masks, kRates, kShape, 11, 6, {0, 7}, at::kDouble);
  EXPECT_EQ(masks.hidden.const_data_ptr(), memory);
  EXPECT_TRUE(at::equal(masks.hidden, drawn({0, 7}, 11, 6).hidden));
  draw_masks(masks, kRates, kShape, 11, 6, {0, 2}, at::kDouble);
  EXPECT_TRUE(at::equal(masks.hidden, drawn({0, 2}, 11, 6).hidden));
}

TEST(DropoutMasks, OfRateZeroAreUndefined) {
  for (const bool used_before : {false, true}) {
    DropoutMasks masks = used_before ? drawn({0, 7}) : DropoutMasks{};
    draw_masks(masks, {}, kShape, 11, 5, {0, 7}, at::kDouble);
    EXPECT_FALSE(masks.embedding_rows.defined());
    EXPECT_FALSE(masks.input.defined());
    EXPECT_FALSE(masks.hidden.defined());
    for (const at::Tensor& output : masks.outputs) EXPECT_FALSE(output.defined());
    EXPECT_EQ(masks.input_kernel.rate, 0);
    EXPECT_EQ(masks.hidden_kernel.rate, 0);
  }
}

// The same lanes of a [parts * lanes, channels] matrix.
at::Tensor of_lanes(const at::Tensor& rows, std::int64_t all_lanes, Range lanes) {
  return rows.view({-1, all_lanes, rows.size(1)}).narrow(1, lanes.begin, lanes.size()).reshape({-1, rows.size(1)});
}

TEST(DropoutMasks, OfLatentVectorsAreOneALaneAndOutput) {
  TrellisShape shape = kShape;
  shape.experts = 7, shape.embedding = 30;
  const auto draw = [&](Range lanes) {
    DropoutMasks masks;
    draw_masks(masks, {.output = 0.4, .latent = 0.25}, shape, 11, 5, lanes, at::kDouble);
    return masks;
  };
  const DropoutMasks all = draw({0, 40}), some = draw({3, 7});
  ASSERT_EQ(all.latents.size(), 4u);
  for (std::size_t n = 0; n < 4; ++n) {
    EXPECT_EQ(all.latents[n].sizes(), (std::vector<std::int64_t>{40, 210}));
    EXPECT_TRUE(at::equal(some.latents[n], all.latents[n].narrow(0, 3, 4)));
    expect_rate("latent", all.latents[n], 0.25);
    for (std::size_t other = 0; other < n; ++other) EXPECT_FALSE(at::equal(all.latents[n], all.latents[other]));
    EXPECT_FALSE(at::equal(all.latents[n].narrow(1, 0, 90).eq(0), all.outputs[n].eq(0)));
  }
  EXPECT_TRUE(DropoutMasks::of(all.latents, 3).is_same(all.latents[3]));
  EXPECT_FALSE(DropoutMasks::of(all.latents, 4).defined());
}

TEST(DropoutMasks, OfAClassifierAreThePartsOfThoseOfAllLanes) {
  const TrellisShape shape{.levels = 2, .hidden = 50, .outputs = 10, .embedding = 3, .dilations = {1}, .vocabulary = 1, .cutoffs = {}, .classifier = true};
  const auto draw = [&](Range lanes, std::int64_t steps) {
    DropoutMasks masks;
    draw_classifier_masks(masks, kRates, shape, 11, 5, lanes, steps, at::kDouble);
    return masks;
  };
  const DropoutMasks all = draw({0, 60}, 20), some = draw({13, 18}, 20);
  EXPECT_EQ(all.input.sizes(), (std::vector<std::int64_t>{20 * 60, 3}));
  expect_rate("input", all.input, 0.2);
  expect_rate("hidden", all.hidden, 0.3);
  expect_rate("output", all.outputs.at(0), 0.4);
  EXPECT_EQ(all.hidden_kernel.rate, 0.5);
  EXPECT_FALSE(all.embedding_rows.defined());
  EXPECT_TRUE(at::equal(some.input, of_lanes(all.input, 60, {13, 18})));
  EXPECT_TRUE(at::equal(some.hidden, all.hidden.narrow(0, 13, 5)));
  EXPECT_TRUE(at::equal(some.outputs.at(0), all.outputs.at(0).narrow(0, 13, 5)));
  EXPECT_FALSE(at::equal(all.input.narrow(0, 0, 60), all.input.narrow(0, 60, 60))) << "every step has its own";
  DropoutMasks none = draw({0, 4}, 20);
  draw_classifier_masks(none, {}, shape, 11, 5, {0, 4}, 20, at::kDouble);
  EXPECT_FALSE(none.input.defined() || none.hidden.defined() || DropoutMasks::of(none.outputs, 0).defined());
}

TEST(DropoutMasks, OfNoLanesAreEmpty) { EXPECT_EQ(drawn({3, 3}).hidden.numel(), 0); }

}  // namespace
}  // namespace trellis
