// The loss of WikiText-103's words on two ranks that share them: what it takes beside weights, gradients and the rows that go in
// and out stays small, whatever the vocabulary (tests/model/planned_memory_test.cpp holds the plan to what is allocated).
#include <gtest/gtest.h>

#include "predict/rank_memory.h"

namespace trellis {
namespace {

TEST(LossPhase, Of267735WordsTakesLessThan64MiBForThreeThousandRows) {
  RunNumbers run;
  run.shape = {.levels = 4, .hidden = 768, .outputs = 512, .embedding = 512, .kernel = 2, .dilations = {1}, .vocabulary = 267'735,
               .cutoffs = {2'800, 20'000, 76'000}};
  run.lanes = 40, run.steps = 75;
  const RankMemory memory = rank_memory(run, {.data = 2, .pipeline = 1, .vocabulary = 2}, 1, 0);
  const std::int64_t row = 512 * 4, rows = 1'500;
  const std::int64_t rows_in_and_out = 2 * rows * row, embedding_rows = 2 * rows * row;  // not of the loss
  EXPECT_LT(memory.loss + memory.exchange - rows_in_and_out - embedding_rows, std::int64_t{64} << 20);
  EXPECT_GT(memory.loss, 0);
  const RankMemory alone = rank_memory(run, {.data = 2, .pipeline = 1, .vocabulary = 1}, 1, 0);
  EXPECT_LT(static_cast<double>(memory.weights + memory.optimizer), 0.6 * static_cast<double>(alone.weights + alone.optimizer));
}

}  // namespace
}  // namespace trellis
