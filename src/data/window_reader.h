// The windows of a contiguous range of lanes, read ahead by a thread. Batches depend on the plan and the lane alone,
// never on how the lanes are split over readers. Memory: a few batches and one block of tokens a lane, whatever the
// corpus's size.
//
//   WindowReader reader(corpus.open_split("train"), plan, {0, 8});
//   while (const WindowBatch* batch = reader.next()) step(*batch);
//   reader.restart(0);   // the next pass; any other window to resume there
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "corpus/token_reader.h"
#include "plan/shard_range.h"
#include "plan/windows.h"

namespace trellis {

struct WindowBatch {
  std::int64_t index = 0;             // of the window in its pass
  std::int64_t steps = 0, lanes = 0;  // lanes of this reader; may be 0
  std::int64_t discard = 0;           // leading steps that carry no loss
  std::vector<std::int64_t> tokens;   // [steps, lanes], time-major
  std::vector<std::int64_t> targets;  // [steps, lanes]: the token after each
};

class WindowReader {
 public:
  struct Options {
    int batches_ahead = 3;                   // >= 1
    std::int64_t lane_block_tokens = 16384;  // read at once for a lane; raised to a whole window where that is more
  };

  // lanes: global lanes [begin, end) of the plan, perhaps none. The plan must have been made for this split's tokens.
  WindowReader(std::shared_ptr<const TokenReader> tokens, WindowPlan plan, Range lanes, std::int64_t first_window,
               Options options);
  WindowReader(std::shared_ptr<const TokenReader> tokens, WindowPlan plan, Range lanes, std::int64_t first_window = 0)
      : WindowReader(std::move(tokens), plan, lanes, first_window, Options{}) {}
  ~WindowReader();
  WindowReader(const WindowReader&) = delete;
  WindowReader& operator=(const WindowReader&) = delete;

  // The next window, or nullptr at the pass's end. The batch stays valid until the next call of next() or restart().
  // Rethrows what reading met (DataError), at the window where it met it and at every call after.
  const WindowBatch* next();

  // Goes to window `window` of a pass, 0 <= window <= plan.windows(), at no cost that grows with it.
  void restart(std::int64_t window);

  const WindowPlan& plan() const { return plan_; }
  Range lanes() const { return lanes_; }

 private:
  // The tokens at hand of one lane: [begin, begin + block.size()), counted within the lane.
  struct LaneBlock {
    std::int64_t begin = 0;
    std::vector<std::uint32_t> tokens;
  };
  void produce(std::stop_token stop, std::int64_t window);
  void fill(WindowBatch& batch, std::int64_t window);
  const std::uint32_t* lane_tokens(std::int64_t lane, std::int64_t begin, std::int64_t count);
  void stop();

  const std::shared_ptr<const TokenReader> tokens_;
  const WindowPlan plan_;
  const Range lanes_;
  const Options options_;
  std::vector<LaneBlock> blocks_;  // the thread's alone

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<WindowBatch> ready_, free_;
  bool ended_ = false;  // nothing will be added to ready_
  std::exception_ptr failure_;
  WindowBatch current_;  // the consumer's
  bool holds_current_ = false;
  std::jthread thread_;  // last: it must end before what it uses
};

}  // namespace trellis
