// Parameters of ranks that hold one vocabulary together: put together they are those of one rank that holds it all.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "base/errors.h"
#include "model/initialize.h"
#include "model/parameters.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::RandomTensors;

const std::vector<std::vector<std::int64_t>> kCutoffs{{}, {5}, {5, 7}, {1, 20, 22}};  // [5, 7) has fewer words than places

TrellisShape shape_of(const std::vector<std::int64_t>& cutoffs, std::int64_t vocabulary = 23) {
  return {.levels = 2, .hidden = 6, .outputs = 5, .embedding = 5, .dilations = {1}, .vocabulary = vocabulary, .cutoffs = cutoffs, .experts = cutoffs.empty() ? 3 : 0};
}

ParameterLayout layout_of(const TrellisShape& shape, int places, int place) {
  return ParameterLayout(shape, VocabularyStripes(shape.vocabulary, shape.cutoffs, places), place);
}

// Every rank's tensor of this name in one whole tensor; every element is written once, or this fails.
at::Tensor together(const std::vector<Parameters>& ranks, const ParameterInfo& whole) {
  const at::Tensor result = at::full(whole.shape, std::nan(""), at::kDouble);
  for (const Parameters& rank : ranks) {
    const ParameterInfo& info = rank.layout().find(whole.name);
    for (const RowPiece& piece : rank.layout().pieces(info)) {
      const at::Tensor rows = result.narrow(0, piece.whole.begin, piece.whole.size());
      EXPECT_TRUE(rows.isnan().all().item<bool>()) << "two ranks hold rows of " << whole.name;
      rows.copy_(rank.view(whole.name).narrow(0, piece.memory.begin, piece.memory.size()));
    }
  }
  EXPECT_FALSE(result.isnan().any().item<bool>()) << "no rank holds rows of " << whole.name;
  return result;
}

class StripedParameters : public testing::TestWithParam<std::tuple<int, std::size_t>> {
 protected:
  const int places_ = std::get<0>(GetParam());
  const TrellisShape shape_ = shape_of(kCutoffs[std::get<1>(GetParam())]);
  const ParameterLayout whole_{shape_};
};
INSTANTIATE_TEST_SUITE_P(Places, StripedParameters, testing::Combine(testing::Values(1, 2, 3, 4), testing::Range<std::size_t>(0, kCutoffs.size())));

TEST_P(StripedParameters, InitialValuesAreThoseOfOneRank) {
  const InitialValues values{.kernel_deviation = 0.3, .embedding_range = 0.5};
  Parameters expected(whole_, at::kDouble);
  initialize(expected, values, 9);
  std::vector<Parameters> ranks;
  for (int place = 0; place < places_; ++place) {
    ranks.emplace_back(layout_of(shape_, places_, place), at::kDouble);
    ranks.back().flat().fill_(7);
    initialize(ranks.back(), values, 9);
  }
  for (const ParameterInfo& info : whole_.parameters()) {
    if (info.striped) {
      EXPECT_TRUE(at::equal(together(ranks, info), expected.view(info.name))) << info.name;
    } else {
      for (const Parameters& rank : ranks) EXPECT_TRUE(at::equal(rank.view(info.name), expected.view(info.name))) << info.name;
    }
  }
}

TEST_P(StripedParameters, TakeTheirRowsOfAWholeTensor) {
  RandomTensors random(3);
  const at::Tensor embedding = random.normal({23, 5}), bias = random.normal({23});
  std::vector<Parameters> ranks;
  for (int place = 0; place < places_; ++place) {
    ranks.emplace_back(layout_of(shape_, places_, place), at::kDouble);
    ranks.back().assign("embedding", embedding);
    ranks.back().assign("decoder_bias", bias);
    // a word's row is where its stripes say
    const VocabularyStripes& stripes = ranks.back().layout().stripes();
    for (std::int64_t word = 0; word < 23; ++word) {
      if (stripes.owner(word) != place) continue;
      EXPECT_TRUE(at::equal(ranks.back().view("embedding")[stripes.row(word)], embedding[word])) << word;
    }
  }
  EXPECT_TRUE(at::equal(together(ranks, whole_.find("embedding")), embedding));
  EXPECT_TRUE(at::equal(together(ranks, whole_.find("decoder_bias")), bias));
}

TEST_P(StripedParameters, PiecesGoThroughTheMemoryInOrderAndNoneIsEmpty) {
  for (int place = 0; place < places_; ++place) {
    const ParameterLayout layout = layout_of(shape_, places_, place);
    EXPECT_EQ(layout.place(), place);
    EXPECT_EQ(layout.whole(), places_ == 1);
    for (const ParameterInfo& info : layout.parameters()) {
      std::int64_t next = 0, last = 0;
      for (const RowPiece& piece : layout.pieces(info)) {
        EXPECT_EQ(piece.memory.begin, next) << info.name;
        EXPECT_GT(piece.memory.size(), 0) << info.name;
        EXPECT_EQ(piece.whole.size(), piece.memory.size()) << info.name;
        EXPECT_GE(piece.whole.begin, last) << info.name;
        next = piece.memory.end, last = piece.whole.end;
      }
      EXPECT_EQ(next, info.shape[0]) << info.name;
      if (info.striped) continue;
      EXPECT_EQ(layout.pieces(info).size(), 1u) << info.name;
    }
  }
}

TEST_P(StripedParameters, OnlyTheWordsAreStripedAndTheyComeFirst) {
  std::int64_t words = 0;
  for (int place = 0; place < places_; ++place) {
    const ParameterLayout layout = layout_of(shape_, places_, place);
    EXPECT_EQ(layout.count(), whole_.count());
    ASSERT_EQ(layout.parameters().size(), whole_.parameters().size());
    for (const ParameterInfo& info : layout.parameters()) {
      const ParameterInfo& of_whole = whole_.find(info.name);
      EXPECT_EQ(info.striped, info.name == "embedding" || info.name == "decoder_bias");
      EXPECT_EQ(info.published, of_whole.published) << info.name;
      EXPECT_EQ(info.whole(), of_whole.shape) << info.name;
      EXPECT_EQ(info.offset + info.count <= layout.striped_size(), info.striped) << info.name;
      EXPECT_EQ(info.offset >= layout.striped_size(), !info.striped) << info.name;
      if (!info.striped) {
        EXPECT_EQ(info.shape, of_whole.shape) << info.name;
        EXPECT_EQ(info.offset - layout.striped_size(), of_whole.offset - whole_.striped_size()) << info.name;
      }
    }
    words += layout.find("embedding").shape[0];
    EXPECT_EQ(layout.find("decoder_bias").shape[0], layout.find("embedding").shape[0]);
    EXPECT_EQ(layout.flat_size() - layout.striped_size(), whole_.flat_size() - whole_.striped_size());
  }
  EXPECT_EQ(words, 23);
}

TEST(StripedLayout, HasRoomForARankWithoutWords) {
  const TrellisShape shape = shape_of({}, 2);
  Parameters weights(layout_of(shape, 4, 3), at::kDouble);
  initialize(weights, {}, 1);
  EXPECT_EQ(weights.view("embedding").sizes(), at::IntArrayRef({0, 5}));
  EXPECT_EQ(weights.view("decoder_bias").numel(), 0);
  EXPECT_TRUE(weights.layout().pieces(weights.layout().find("embedding")).empty());
  EXPECT_EQ(weights.layout().striped_size(), 0);
}

TEST(StripedLayout, PublishesNoTensorOfWhichItHasStripes) {
  const TrellisShape shape = shape_of({5});
  const Parameters weights(layout_of(shape, 2, 1), at::kDouble);
  EXPECT_THROW(weights.published("embedding"), InternalError);
  EXPECT_THROW(weights.published("decoder_bias"), InternalError);
  EXPECT_EQ(weights.published("cluster_weight").sizes(), at::IntArrayRef({1, 5}));
  EXPECT_EQ(Parameters(layout_of(shape, 1, 0), at::kDouble).published("embedding").sizes(), at::IntArrayRef({23, 5}));
}

TEST(StripedLayout, RefusesStripesOfAnotherVocabularyAndOtherPlaces) {
  const TrellisShape shape = shape_of({5});
  EXPECT_THROW(ParameterLayout(shape, VocabularyStripes(24, {5}, 2), 0), InternalError);
  EXPECT_THROW(ParameterLayout(shape, VocabularyStripes(23, {6}, 2), 0), InternalError);
  EXPECT_THROW(ParameterLayout(shape, VocabularyStripes(23, {5}, 2), 2), InternalError);
  EXPECT_THROW(ParameterLayout(shape, VocabularyStripes(23, {5}, 2), -1), InternalError);
}

TEST(StripedLayout, AClassifierHasNothingStriped) {
  const ParameterLayout layout({.levels = 2, .hidden = 6, .outputs = 5, .embedding = 3, .dilations = {1}, .vocabulary = 1, .cutoffs = {}, .classifier = true});
  EXPECT_EQ(layout.striped_size(), 0);
  for (const ParameterInfo& info : layout.parameters()) EXPECT_FALSE(info.striped) << info.name;
}

}  // namespace
}  // namespace trellis
