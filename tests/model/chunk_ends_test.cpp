#include "model/chunk_ends.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr std::int64_t kLanes = 2;

// Rows of a window behind `halo` steps: what is in front of every chunk comes back after the memory served others, whether the
// halo is shorter or longer than chunks, or than the window.
TEST(ChunkEnds, BringBackWhatIsInFrontOfAChunk) {
  const std::vector<Range> chunks{{0, 2}, {2, 3}, {3, 8}, {8, 9}, {9, 13}};
  for (const std::int64_t halo : {0, 1, 2, 3, 7, 50}) {
    SCOPED_TRACE(fmt::format("halo of {} steps", halo));
    ChunkEnds ends(halo, kLanes);
    for (const double window : {1.0, 100.0}) {  // nothing of the first is left for the second
      const at::Tensor expected = (at::arange((halo + 13) * kLanes, at::kDouble) * window).unsqueeze(1).repeat({1, 3});
      const auto rows = [&](const at::Tensor& of, std::int64_t first, std::int64_t end) {
        return of.narrow(0, (halo + first) * kLanes, (end - first) * kLanes);
      };
      const auto expect_halo = [&](Range chunk) {
        const at::Tensor memory = at::full_like(expected, -1);
        ends.bring_back(memory, chunk);
        const std::int64_t first = std::max<std::int64_t>(0, chunk.begin - halo);
        EXPECT_TRUE(at::equal(rows(memory, first, chunk.begin), rows(expected, first, chunk.begin))) << "chunk from " << chunk.begin;
        EXPECT_TRUE((rows(memory, -halo, first) == -1).all().item<bool>()) << "the history is not its matter";
        EXPECT_TRUE((rows(memory, chunk.begin, 13) == -1).all().item<bool>());
      };
      for (const Range chunk : chunks) {
        expect_halo(chunk);
        const at::Tensor memory = at::full_like(expected, -2);
        rows(memory, chunk.begin, chunk.end).copy_(rows(expected, chunk.begin, chunk.end));
        ends.keep(memory, chunk);
      }
      for (auto chunk = chunks.rbegin(); chunk != chunks.rend(); ++chunk) expect_halo(*chunk);
    }
  }
}

TEST(ChunkEnds, RefuseAChunkThatForwardDidNotHave) {
  ChunkEnds ends(3, kLanes);
  const at::Tensor memory = at::zeros({15 * kLanes, 4});
  ends.keep(memory, {0, 6});
  EXPECT_THROW(ends.bring_back(memory, {5, 12}), InternalError);
  EXPECT_THROW(ends.bring_back(memory, {7, 12}), InternalError);
}

}  // namespace
}  // namespace trellis
