// That the plan is what a stack allocates is tests/model/planned_memory_test.cpp; here is how it grows.
#include "plan/level_memory.h"

#include <gtest/gtest.h>

namespace trellis {
namespace {

constexpr std::int64_t kLanes = 3, kSteps = 40, kHidden = 10;

TrellisShape network(std::int64_t levels, std::int64_t kernel, std::vector<std::int64_t> dilations) {
  return {.levels = levels, .hidden = kHidden, .outputs = 4, .embedding = 4, .kernel = kernel, .dilations = std::move(dilations),
          .vocabulary = 9, .cutoffs = {}};
}

LevelMemory memory_of(const TrellisShape& shape, Range levels, std::int64_t every) {
  return plan_level_memory(shape, levels, kLanes, kSteps, Keep::states_of_every(every), false);
}

std::int64_t kept_levels(const LevelMemory& memory) {
  std::int64_t kept = 0;
  for (const LevelMemory::Boundary& boundary : memory.boundaries) kept += boundary.cell.rows > 0 ? 1 : 0;
  return kept;
}

// Every n-th input and the result; a workspace for what lies between, and gates of a segment.
TEST(LevelMemory, KeepsEveryNthInputAndAWorkspace) {
  for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1}, {1, 2, 4}, {512, 1}})
    for (const Range levels : {Range{0, 16}, Range{0, 7}, Range{5, 16}, Range{15, 16}})
      for (const std::int64_t every : {2, 3, 5, 8, 100}) {
        const LevelMemory memory = memory_of(network(16, 2, dilations), levels, every);
        const std::int64_t longest = std::min(every, levels.size());
        EXPECT_EQ(kept_levels(memory), (levels.size() + every - 1) / every + 1);
        EXPECT_EQ(static_cast<std::int64_t>(memory.workspace.size()), longest - 1);
        EXPECT_EQ(memory.gate_slots, longest);
        for (std::int64_t level = levels.begin; level < levels.end; ++level) {
          if (memory.segments.keeps_input_of(level)) continue;
          const auto place = static_cast<std::size_t>(memory.segments.place_of(level) - 1);
          const LevelMemory::Boundary& input = memory.boundaries[static_cast<std::size_t>(level - levels.begin)];
          EXPECT_LE(input.hidden_halo, memory.workspace[place].hidden_halo);
          EXPECT_LE(input.cell_halo, memory.workspace[place].cell_halo);
        }
      }
}

TEST(LevelMemory, EveryLevelIsWhatKeptStatesAre) {
  const TrellisShape shape = network(9, 3, {1, 2});
  const LevelMemory states = plan_level_memory(shape, {0, 9}, kLanes, kSteps, Keep::states, false);
  EXPECT_EQ(memory_of(shape, {0, 9}, 1).bytes({}, {{0, kSteps}}, false).total(), states.bytes({}, {{0, kSteps}}, false).total());
}

TEST(LevelMemory, SegmentsLongerThanTheLevelsAreOne) {
  const TrellisShape shape = network(9, 2, {1});
  const auto bytes = [&](Range levels, std::int64_t every) { return memory_of(shape, levels, every).bytes({}, {{0, kSteps}}, false).total(); };
  EXPECT_EQ(bytes({0, 9}, 9), bytes({0, 9}, 100'000));
  EXPECT_EQ(bytes({3, 9}, 6), bytes({3, 9}, 9));
}

// h and c of L/n + n levels and gates of n: least where n is about the square root of L/3.
TEST(LevelMemory, IsLeastAtTheSquareRootOfAThirdOfTheLevels) {
  const TrellisShape shape = network(75, 2, {1});
  const auto bytes = [&](Keep keep) {
    return plan_level_memory(shape, {0, 75}, kLanes, kSteps, keep, false).bytes({}, {{0, kSteps}}, false).total();
  };
  const std::int64_t least = bytes(Keep::states_of_every(5));
  for (const std::int64_t every : {2, 10, 25, 75}) EXPECT_LT(least, bytes(Keep::states_of_every(every))) << every;
  EXPECT_LT(2 * least, bytes(Keep::states));
  EXPECT_LT(5 * least, bytes(Keep::gates));
}

// Ends of chunks are never more than the inputs that are not kept, however long the halo.
TEST(LevelMemory, EndsOfChunksAreNoMoreThanTheWindow) {
  for (const std::vector<std::int64_t>& dilations : std::vector<std::vector<std::int64_t>>{{1}, {1, 2, 4}, {512, 1}}) {
    const LevelMemory memory = memory_of(network(8, 3, dilations), {0, 8}, 4);
    LevelMemory without_carries = memory;
    without_carries.carries.clear();
    const auto halo = [&](const std::vector<Range>& chunks) { return without_carries.bytes({}, chunks, false).halo; };
    const std::int64_t whole = halo({{0, kSteps}}), inputs = 6 * kLanes * kHidden * 4 * kSteps * 2;
    std::vector<Range> chunks;
    for (std::int64_t step = 0; step < kSteps; ++step) chunks.push_back({step, step + 1});
    EXPECT_GT(halo({{0, 20}, {20, kSteps}}), whole);
    EXPECT_GE(halo(chunks), halo({{0, 20}, {20, kSteps}}));
    EXPECT_LT(halo(chunks) - whole, inputs);
  }
}

}  // namespace
}  // namespace trellis
