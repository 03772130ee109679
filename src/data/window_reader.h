// The windows of a contiguous range of lanes, read ahead by a thread. Batches depend on the plan and the lane alone,
// never on how the lanes are split over readers. Memory: a few batches and one block of tokens a lane, whatever the
// corpus's size.
//
//   WindowReader reader(corpus.open_split("train"), plan, {0, 8});
//   while (const WindowBatch* batch = reader.next()) step(*batch);
//   reader.restart(0);   // the next pass; any other window to resume there
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "corpus/token_reader.h"
#include "data/read_ahead.h"
#include "plan/shard_range.h"
#include "plan/windows.h"

namespace trellis {

struct WindowBatch {
  std::int64_t index = 0;             // of the window in its pass
  std::int64_t steps = 0, lanes = 0;  // lanes of this reader; may be 0
  std::int64_t discard = 0;           // leading steps that carry no loss
  std::vector<std::int64_t> tokens;   // [steps, lanes], time-major
  std::vector<std::int64_t> targets;  // [steps, lanes]: the token after each
  // A lane that ends before the longest one (WindowPlan::steps_of_lane) has token 0 in the steps that it has not.
};

class WindowReader {
 public:
  struct Options {
    int batches_ahead = 3;                   // >= 1
    std::int64_t lane_block_tokens = 16384;  // read at once for a lane; raised to a whole window where that is more
  };

  // lanes: global lanes [begin, end) of the plan, perhaps none. The plan must have been made for this split's tokens, or for its first ones.
  WindowReader(std::shared_ptr<const TokenReader> tokens, WindowPlan plan, Range lanes, std::int64_t first_window,
               Options options);
  WindowReader(std::shared_ptr<const TokenReader> tokens, WindowPlan plan, Range lanes, std::int64_t first_window = 0)
      : WindowReader(std::move(tokens), plan, lanes, first_window, Options{}) {}
  WindowReader(const WindowReader&) = delete;
  WindowReader& operator=(const WindowReader&) = delete;

  // The next window, or nullptr at the pass's end. The batch stays valid until the next call of next() or restart().
  // Rethrows what reading met (DataError), at the window where it met it and at every call after.
  const WindowBatch* next() { return ahead_.next(); }

  // Goes to window `window` of a pass, 0 <= window <= plan.windows(), at no cost that grows with it.
  void restart(std::int64_t window) { ahead_.restart(window); }

  const WindowPlan& plan() const { return plan_; }
  Range lanes() const { return lanes_; }

 private:
  // The tokens at hand of one lane: [begin, begin + block.size()), counted within the lane.
  struct LaneBlock {
    std::int64_t begin = 0;
    std::vector<std::uint32_t> tokens;
  };
  void fill(WindowBatch& batch, std::int64_t window);
  const std::uint32_t* lane_tokens(std::int64_t lane, std::int64_t begin, std::int64_t count);

  const std::shared_ptr<const TokenReader> tokens_;
  const WindowPlan plan_;
  const Range lanes_;
  const Options options_;
  std::vector<LaneBlock> blocks_;  // the thread's alone
  ReadAhead<WindowBatch> ahead_;   // last: its thread must end before what it uses
};

}  // namespace trellis
