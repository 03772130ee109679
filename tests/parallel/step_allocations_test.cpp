// A step after the first allocates nothing of the size of its work: buffers are there from the beginning. Counted in
// LibTorch's own allocator, which every tensor's memory comes from. (Products of bfloat16 matrices allocate inside LibTorch.)
#include <gtest/gtest.h>

#include <vector>

#include "model/initialize.h"
#include "parallel/language_model.h"
#include "tests/model/counting_allocator.h"

namespace trellis {
namespace {

struct Setting {
  const char* name;
  Keep keep;
  bool adaptive;
};

class StepAllocations : public testing::TestWithParam<Setting> {};

TEST_P(StepAllocations, AreSmallAfterTheFirst) {
  const Setting& setting = GetParam();
  TrellisShape shape;
  shape.levels = 6, shape.hidden = 96, shape.outputs = 48, shape.embedding = 48, shape.vocabulary = 700, shape.auxiliary_every = 2;
  if (setting.adaptive) shape.cutoffs = {100, 300};
  const std::int64_t lanes = 8, steps = 32;
  const Objective objective{.auxiliary_weight = 0.1, .activation = 1, .slowness = 1};
  at::set_num_threads(1);
  Parameters weights(ParameterLayout(shape), at::kFloat), gradients(weights.layout(), at::kFloat);
  initialize(weights, {}, 1);
  const MeshGroups alone = lone_mesh_groups();
  LanguageModel model(alone, shape, lanes, steps, {.objective = objective, .keep = setting.keep}, at::kFloat);
  History history = model.zero_history();
  DropoutMasks masks;
  const auto words = [&] { return at::randint(shape.vocabulary, {steps * lanes}, at::kLong); };
  const WindowTokens window{.steps = steps, .discard = 0, .tokens = words(), .targets = words()};

  CountingAllocator allocator;
  for (int step = 0; step < 3; ++step) {
    allocator.take();
    draw_masks(masks, {.embedding = 0.1, .input = 0.1, .hidden = 0.1, .output = 0.1, .weight = 0.1}, shape, 1, static_cast<std::uint64_t>(step),
               {0, lanes}, at::kFloat);
    model.forward_backward(weights, window, masks, history, gradients);
  }
  std::size_t bytes = 0;
  for (const std::size_t size : allocator.take()) bytes += size;
  // one level's h alone is 96 KiB; what is left are masks of the history, targets of clusters, and sums
  EXPECT_LT(bytes, std::size_t{48} << 10);
}

INSTANTIATE_TEST_SUITE_P(Of, StepAllocations,
                         testing::Values(Setting{"full", Keep::gates, false}, Setting{"recomputed", Keep::states, false},
                                         Setting{"segments", Keep::states_of_every(4), false}, Setting{"adaptive", Keep::gates, true}),
                         [](const auto& setting) { return setting.param.name; });

}  // namespace
}  // namespace trellis
