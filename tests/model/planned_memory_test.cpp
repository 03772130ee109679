// What plan/ says that a network takes is what it allocates: levels to the byte, parameters to the element.
#include <gtest/gtest.h>

#include <numeric>

#include "model/level_stack.h"
#include "model/output_layer.h"
#include "model/parameters.h"
#include "plan/loss_memory.h"
#include "predict/network_size.h"
#include "tests/model/counting_allocator.h"

namespace trellis {
namespace {

// LibTorch asks for nothing where a tensor has no element.
std::int64_t sum(const std::vector<std::size_t>& sizes) {
  return static_cast<std::int64_t>(std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}));
}

struct Case {
  std::vector<std::int64_t> dilations;
  std::int64_t kernel, injection_every, auxiliary_every, steps;
};
const Case kCases[] = {{{1}, 2, 1, 0, 16}, {{1}, 3, 2, 2, 16},     {{1, 2, 4}, 2, 1, 2, 16},
                       {{3}, 3, 1, 0, 5},  {{512, 1}, 2, 1, 3, 7}, {{1}, 2, 1, 1, 1}};

TrellisShape shape_of(const Case& c) {
  TrellisShape shape;
  shape.levels = 7, shape.hidden = 12, shape.outputs = 8, shape.embedding = 8, shape.vocabulary = 50;
  shape.kernel = c.kernel, shape.dilations = c.dilations, shape.injection_every = c.injection_every,
  shape.auxiliary_every = c.auxiliary_every;
  return shape;
}

TEST(PlannedMemory, IsWhatAStackOfLevelsAllocates) {
  CountingAllocator allocator;
  for (const Case& c : kCases)
    for (const Range levels : {Range{0, 7}, Range{0, 1}, Range{0, 3}, Range{3, 7}, Range{6, 7}})
      for (const std::int64_t lanes : {1, 3})
        for (const Keep keep : {Keep::gates, Keep::states, Keep::states_of_every(2), Keep::states_of_every(3), Keep::states_of_every(100)})
          for (const bool mixed : {false, true}) {
            const TrellisShape shape = shape_of(c);
            allocator.take();
            LevelStack stack(shape, levels, lanes, c.steps, keep, at::kFloat, mixed ? std::optional(at::kBFloat16) : std::nullopt);
            stack.use_raw_output_gradient();
            LevelMemory planned = plan_level_memory(shape, levels, lanes, c.steps, keep, mixed);
            planned.scratch = 0;  // allocated by the first backward
            const LevelMemory::Bytes bytes = planned.bytes({4, mixed ? 2 : 4}, {{0, c.steps}}, true);
            ASSERT_EQ(sum(allocator.take()), bytes.total()) << levels.begin << " to " << levels.end << ", dilation " << c.dilations[0];
            EXPECT_GT(bytes.halo, 0);
          }
}

// A window of several chunks keeps what each leaves to the one before it.
TEST(PlannedMemory, CountsWhatChunksLeaveEachOther) {
  CountingAllocator allocator;
  for (const Case& c : kCases)
    for (const auto& [levels, keep] : {std::pair{Range{0, 7}, Keep::gates}, std::pair{Range{3, 7}, Keep::gates},
                                       std::pair{Range{0, 7}, Keep::states_of_every(3)}, std::pair{Range{3, 7}, Keep::states_of_every(2)},
                                       std::pair{Range{0, 7}, Keep::states_of_every(100)}}) {
      if (c.steps < 4) continue;
      const TrellisShape shape = shape_of(c);
      LevelStack stack(shape, levels, 2, c.steps, keep, at::kFloat);
      const at::Tensor input = at::zeros({48, 2, 8}), hidden = at::zeros({48, 2, 12}), bias = at::zeros({48});
      const ConvolutionKernels kernels{at::zeros({48, c.kernel, 8}), at::zeros({48, c.kernel, 12}), bias};
      const ConvolutionKernels gradients{at::zeros({48, c.kernel, 8}), at::zeros({48, c.kernel, 12}), bias.clone()};
      const History history{at::zeros({2, 12}), at::zeros({2, 12})};
      const auto bytes_of_window = [&](std::vector<Range> chunks) {
        allocator.take();
        stack.begin_window(c.steps, history, {}, {});
        stack.embedded({0, c.steps}).zero_();
        for (const Range time : chunks) stack.forward(time, kernels);
        for (std::int64_t number = 0; number < shape.output_count(); ++number) {
          if (stack.d_output(number).defined()) stack.d_output(number).zero_();
        }
        for (auto time = chunks.rbegin(); time != chunks.rend(); ++time) {
          const at::Tensor above = levels.end == shape.levels ? at::Tensor() : at::zeros({time->size() * 2, 12});
          stack.backward(*time, kernels, gradients, above, above);
        }
        return sum(allocator.take());
      };
      const std::vector<Range> chunks{{0, 2}, {2, 3}, {3, c.steps}};
      bytes_of_window({{0, c.steps}});
      const std::int64_t whole = bytes_of_window({{0, c.steps}}), first = bytes_of_window(chunks);
      const std::int64_t again = bytes_of_window(chunks);
      const LevelMemory planned = plan_level_memory(shape, levels, 2, c.steps, keep, false);
      EXPECT_EQ(first - again, planned.bytes({}, chunks, false).total() - planned.bytes({}, {{0, c.steps}}, false).total());
      EXPECT_GE(again, whole);
    }
}

TEST(PlannedMemory, IsWhatAnOutputLayerAllocates) {
  CountingAllocator allocator;
  TrellisShape full = shape_of(kCases[0]), adaptive = full, mixture = full;
  full.vocabulary = adaptive.vocabulary = mixture.vocabulary = 5000;
  adaptive.cutoffs = {1000, 3000}, mixture.experts = 3, mixture.embedding = 5;
  for (const TrellisShape& shape : {full, adaptive, mixture})
    for (const std::int64_t rows : {1, 40, 3000}) {
      allocator.take();
      const auto layer = make_output_layer(shape, rows, VocabularyShare::whole(shape), at::kFloat);
      const LossMemory planned = loss_memory(shape, VocabularyStripes(shape.vocabulary, shape.cutoffs, 1), rows, kCpuLoss, 4);
      EXPECT_EQ(sum(allocator.take()), planned.total()) << shape.experts << " experts, " << shape.cutoffs.size() << " cutoffs, " << rows;
    }
}

TEST(PlannedMemory, KnowsTheParametersOfEveryKindOfNetwork) {
  TrellisShape shape = shape_of(kCases[0]);
  const auto check = [&] {
    const ParameterLayout layout(shape);
    const ParameterSize size = parameter_size(shape, shape.vocabulary);
    EXPECT_EQ(size.all(), layout.flat_size());
    EXPECT_EQ(size.vocabulary + size.body, layout.reduced_size());
    EXPECT_EQ(parameter_count(shape), layout.count());
    const VocabularyStripes stripes(shape.vocabulary, shape.cutoffs, 3);
    for (int place = 0; place < 3; ++place) {
      const ParameterLayout striped(shape, stripes, place);
      EXPECT_EQ(parameter_size(shape, stripes.rows_of(place)).all(), striped.flat_size());
      EXPECT_EQ(parameter_size(shape, stripes.rows_of(place)).vocabulary, striped.striped_size());
    }
  };
  check();
  shape.cutoffs = {10, 20};
  check();
  shape.weight_norm = false;
  check();
  shape.cutoffs = {}, shape.experts = 3, shape.embedding = 5;
  check();
  shape.groups = 4, shape.weight_norm = true;
  check();
}

}  // namespace
}  // namespace trellis
