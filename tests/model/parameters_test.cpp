// Where parameters lie: between memory and published shape element by element, what a mixed group convolution leaves out, the
// order and the number of parameters.
#include "model/parameters.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <map>

#include "base/errors.h"
#include "tests/model/random_cases_helpers.h"

namespace trellis {
namespace {

using testing_support::RandomTensors;

TrellisShape shape_of(std::int64_t hidden, std::int64_t groups, std::int64_t kernel = 2) {
  return {.levels = 2, .hidden = hidden, .outputs = 5, .embedding = 5, .kernel = kernel, .dilations = {1}, .vocabulary = 11, .cutoffs = {}, .groups = groups};
}

struct Grouping {
  std::int64_t hidden, groups, kernel;
};
constexpr Grouping kGroupings[] = {{7, 0, 2}, {7, 0, 3}, {6, 1, 2}, {6, 2, 2}, {6, 3, 3}, {12, 4, 4}, {5, 5, 2}};

// Row of gate q (input, output, candidate, forget), group g and channel s of that group, in published order and in memory.
struct Row {
  std::int64_t published, memory, group;
};
std::vector<Row> rows_of(const TrellisShape& shape) {
  const std::int64_t G = shape.blocks(), S = shape.hidden / G;
  std::vector<Row> rows;
  for (std::int64_t gate = 0; gate < 4; ++gate) {
    for (std::int64_t group = 0; group < G; ++group) {
      for (std::int64_t channel = 0; channel < S; ++channel) {
        rows.push_back({gate * shape.hidden + group * S + channel, group * 4 * S + gate * S + channel, group});
      }
    }
  }
  return rows;
}

// Channel of W2's row in memory that holds the published `channel`, or -1 if that is zero by construction.
std::int64_t place_of(const TrellisShape& shape, const Row& row, std::int64_t tap, std::int64_t channel) {
  if (shape.groups == 0) return channel;
  const std::int64_t S = shape.hidden / shape.groups, from = tap + 1 < shape.kernel ? row.group : row.group - 1;
  return from >= 0 && channel / S == from ? channel % S : -1;
}

double element(const at::Tensor& t, std::initializer_list<std::int64_t> place) {
  std::int64_t offset = 0, dim = 0;
  for (const std::int64_t index : place) offset += index * t.stride(dim++);
  return t.const_data_ptr<double>()[offset];
}

TEST(ParameterLayout, EveryPublishedElementHasItsPlaceInMemoryOrIsZero) {
  for (const Grouping& grouping : kGroupings) {
    const TrellisShape shape = shape_of(grouping.hidden, grouping.groups, grouping.kernel);
    SCOPED_TRACE(fmt::format("{} channels in {} groups, kernel {}", grouping.hidden, grouping.groups, grouping.kernel));
    const ParameterLayout layout(shape);
    RandomTensors random(1);
    Parameters weights(layout, at::kDouble);
    std::map<std::string, at::Tensor> given;
    for (const ParameterInfo& info : layout.parameters()) {
      given[info.name] = random.normal(info.published);
      weights.assign(info.name, given[info.name]);
    }
    const at::Tensor memory_W1 = weights.view("W1_v"), memory_W2 = weights.view("W2_v"), published_W2 = weights.published("W2_v").contiguous();
    const at::Tensor memory_bias = weights.view("bias"), memory_gain = weights.view("W2_g");
    std::int64_t kept = 0;
    for (const Row& row : rows_of(shape)) {
      EXPECT_EQ(element(memory_bias, {row.memory}), element(given["bias"], {row.published}));
      EXPECT_EQ(element(memory_gain, {row.memory}), element(given["W2_g"], {row.published, 0, 0}));
      for (std::int64_t tap = 0; tap < shape.kernel; ++tap) {
        for (std::int64_t channel = 0; channel < shape.embedding; ++channel) {
          EXPECT_EQ(element(memory_W1, {row.memory, tap, channel}), element(given["W1_v"], {row.published, channel, tap}));
        }
        for (std::int64_t channel = 0; channel < shape.hidden; ++channel) {
          const std::int64_t place = place_of(shape, row, tap, channel);
          const double expected = place < 0 ? 0 : element(given["W2_v"], {row.published, channel, tap});
          EXPECT_EQ(element(published_W2, {row.published, channel, tap}), expected);
          if (place < 0) continue;
          EXPECT_EQ(element(memory_W2, {row.memory, tap, place}), expected);
          ++kept;
        }
      }
    }
    EXPECT_EQ(layout.find("W2_v").parameters, kept);
    // what memory holds besides is the last tap of the first group
    EXPECT_EQ(weights.view("W2_v").ne(0).sum().item<std::int64_t>(), kept);
  }
}

TEST(ParameterLayout, TensorsComeBackFromEitherShape) {
  for (const Grouping& grouping : kGroupings) {
    const ParameterLayout layout(shape_of(grouping.hidden, grouping.groups, grouping.kernel));
    RandomTensors random(2);
    for (const ParameterInfo& info : layout.parameters()) {
      SCOPED_TRACE(fmt::format("{}, {} groups", info.name, grouping.groups));
      const at::Tensor memory = layout.in_memory(info, random.normal(info.published)).contiguous();
      EXPECT_EQ(memory.sizes(), at::IntArrayRef(info.shape));
      const at::Tensor published = layout.published(info, memory);
      EXPECT_EQ(published.sizes(), at::IntArrayRef(info.published));
      EXPECT_TRUE(at::equal(layout.in_memory(info, published), memory));
    }
  }
}

std::vector<std::string> names_of(const ParameterLayout& layout) {
  std::vector<std::string> names;
  for (const ParameterInfo& info : layout.parameters()) names.push_back(info.name);
  return names;
}

TEST(ParameterLayout, HasTheParametersThatTheShapeAsksFor) {
  using Names = std::vector<std::string>;
  TrellisShape shape = shape_of(6, 0);
  EXPECT_EQ(names_of(ParameterLayout(shape)), (Names{"embedding", "decoder_bias", "bias", "W1_v", "W2_v", "W1_g", "W2_g"}));
  shape.weight_norm = false, shape.cutoffs = {3, 7};
  EXPECT_EQ(names_of(ParameterLayout(shape)), (Names{"embedding", "decoder_bias", "cluster_weight", "cluster_bias", "bias", "W1", "W2"}));
  shape.cutoffs.clear(), shape.experts = 3, shape.embedding = 4;
  const ParameterLayout mixture(shape);
  EXPECT_EQ(names_of(mixture),
            (Names{"embedding", "decoder_bias", "prior_weight", "prior_bias", "latent_weight", "latent_bias", "bias", "W1", "W2"}));
  EXPECT_EQ(mixture.find("latent_weight").published, (std::vector<std::int64_t>{12, 5}));
  EXPECT_EQ(mixture.find("prior_weight").published, (std::vector<std::int64_t>{3, 5}));
  shape.experts = 0, shape.classifier = true;
  EXPECT_EQ(names_of(ParameterLayout(shape)), (Names{"linear_weight", "linear_bias", "bias", "W1", "W2"}));
}

TEST(ParameterLayout, CountsTheParametersOfTheModel) {
  TrellisShape shape = shape_of(6, 0);  // vocabulary 11, E = O = 5, H = 6, k = 2
  const std::int64_t words = 11 * 5 + 11, bias = 24, W1 = 24 * 5 * 2, W2 = 24 * 6 * 2, gains = 48;
  EXPECT_EQ(ParameterLayout(shape).count(), words + bias + W1 + W2 + gains);
  shape.weight_norm = false;
  EXPECT_EQ(ParameterLayout(shape).count(), words + bias + W1 + W2);
  shape.cutoffs = {3, 7};
  EXPECT_EQ(ParameterLayout(shape).count(), words + 2 * 5 + 2 + bias + W1 + W2);
  shape.cutoffs.clear(), shape.experts = 3, shape.embedding = 4;
  EXPECT_EQ(ParameterLayout(shape).count(), 11 * 4 + 11 + (3 * 5 + 3) + (12 * 5 + 12) + bias + 24 * 4 * 2 + W2);
  shape.experts = 0, shape.embedding = 1, shape.classifier = true;
  EXPECT_EQ(ParameterLayout(shape).count(), 5 * 5 + 5 + bias + 24 * 2 + W2);
  // 3 groups of 2 channels: each fed by itself at the first tap, all but the lowest by the one below at the last
  shape.groups = 3;
  EXPECT_EQ(ParameterLayout(shape).count(), 5 * 5 + 5 + bias + 24 * 2 + 3 * (8 * 2) + 2 * (8 * 2));
}

TEST(ParameterLayout, TensorsLieApartAndGainsLast) {
  for (const std::int64_t groups : {0, 3}) {
    TrellisShape shape = shape_of(6, groups);
    shape.experts = 3;
    const ParameterLayout layout(shape);
    std::int64_t end = 0;
    for (const ParameterInfo& info : layout.parameters()) {
      EXPECT_EQ(info.offset % 16, 0) << info.name;
      EXPECT_GE(info.offset, end) << info.name;
      end = info.offset + info.count;
      if (info.name.ends_with("_g")) {
        EXPECT_GE(info.offset, layout.reduced_size()) << info.name;
      } else {
        EXPECT_LE(end, layout.reduced_size()) << info.name;
      }
    }
    EXPECT_LE(end, layout.flat_size());
  }
}

TEST(ParameterLayout, KnowsNoOtherNames) {
  const ParameterLayout layout(shape_of(6, 0));
  EXPECT_FALSE(layout.contains("W2"));  // under weight normalisation there are W2_v and W2_g
  EXPECT_FALSE(Parameters(layout, at::kFloat).view("W2").defined());
  try {
    layout.find("W2");
    ADD_FAILURE() << "W2 was found";
  } catch (const InternalError& error) {
    EXPECT_EQ(error.fact(), "no parameter is called W2");
  }
}

}  // namespace
}  // namespace trellis
