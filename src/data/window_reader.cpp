#include "data/window_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/errors.h"

namespace trellis {

WindowReader::WindowReader(std::shared_ptr<const TokenReader> tokens, WindowPlan plan, Range lanes,
                           std::int64_t first_window, Options options)
    : tokens_(std::move(tokens)),
      plan_(plan),
      lanes_(lanes),
      options_(options),
      ahead_(plan_.windows(), options_.batches_ahead,
             [this](WindowBatch& batch, std::int64_t window) { fill(batch, window); }) {
  require(lanes_.begin >= 0 && lanes_.begin <= lanes_.end && lanes_.end <= plan_.lanes(),
          "a window reader was given lanes that do not exist");
  require(plan_.lane(plan_.lanes() - 1).end <= tokens_->tokens(), "a window plan was made for another split");
  require(options_.lane_block_tokens >= 1, "a window reader was given impossible sizes");
  blocks_.resize(static_cast<std::size_t>(lanes_.size()));
  restart(first_window);
}

void WindowReader::fill(WindowBatch& batch, std::int64_t window) {
  const Window shape = plan_.window(window);
  batch.index = window;
  batch.steps = shape.steps;
  batch.lanes = lanes_.size();
  batch.discard = shape.discard;
  const auto steps = static_cast<std::size_t>(shape.steps), lanes = static_cast<std::size_t>(lanes_.size());
  batch.tokens.assign(steps * lanes, 0);
  batch.targets.assign(steps * lanes, 0);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const std::int64_t own = plan_.steps_of_lane(lanes_.begin + static_cast<std::int64_t>(lane), shape);
    if (own == 0) continue;
    const std::uint32_t* source = lane_tokens(static_cast<std::int64_t>(lane), shape.start, own + 1);
    for (std::size_t step = 0; step < static_cast<std::size_t>(own); ++step) {
      batch.tokens[step * lanes + lane] = source[step];
      batch.targets[step * lanes + lane] = source[step + 1];
    }
  }
}

// Tokens [begin, begin + count) of a lane of this reader, from its block, which is read anew when they are not all in
// it.
const std::uint32_t* WindowReader::lane_tokens(std::int64_t lane, std::int64_t begin, std::int64_t count) {
  LaneBlock& block = blocks_[static_cast<std::size_t>(lane)];
  const auto held = static_cast<std::int64_t>(block.tokens.size());
  if (begin < block.begin || begin + count > block.begin + held) {
    const Range all = plan_.lane(lanes_.begin + lane);
    const std::int64_t length = std::min(std::max(options_.lane_block_tokens, count), all.size() - begin);
    block.tokens.clear();  // nothing is held should reading fail
    std::vector<std::uint32_t> fresh = std::move(block.tokens);
    fresh.resize(static_cast<std::size_t>(length));
    tokens_->read(all.begin + begin, std::span(fresh));
    block.begin = begin;
    block.tokens = std::move(fresh);
  }
  return block.tokens.data() + (begin - block.begin);
}

}  // namespace trellis
