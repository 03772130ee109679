#include "data/window_reader.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/errors.h"

namespace trellis {

WindowReader::WindowReader(std::shared_ptr<const TokenReader> tokens, WindowPlan plan, Range lanes,
                           std::int64_t first_window, Options options)
    : tokens_(std::move(tokens)), plan_(plan), lanes_(lanes), options_(options) {
  require(lanes_.begin >= 0 && lanes_.begin <= lanes_.end && lanes_.end <= plan_.lanes(),
          "a window reader was given lanes that do not exist");
  require(plan_.lanes() * plan_.lane_length() <= tokens_->tokens(), "a window plan was made for another split");
  require(options_.batches_ahead >= 1 && options_.lane_block_tokens >= 1, "a window reader was given impossible sizes");
  blocks_.resize(static_cast<std::size_t>(lanes_.size()));
  free_.resize(static_cast<std::size_t>(options_.batches_ahead));
  restart(first_window);
}

WindowReader::~WindowReader() { stop(); }

void WindowReader::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void WindowReader::restart(std::int64_t window) {
  require(window >= 0 && window <= plan_.windows(), "a window reader was sent to a window that does not exist");
  stop();
  while (!ready_.empty()) {
    free_.push_back(std::move(ready_.front()));
    ready_.pop_front();
  }
  if (std::exchange(holds_current_, false)) free_.push_back(std::move(current_));
  // A batch that was being filled when an error came is lost; make it anew.
  free_.resize(static_cast<std::size_t>(options_.batches_ahead));
  ended_ = false;
  failure_ = nullptr;
  thread_ = std::jthread([this, window](std::stop_token stop) { produce(std::move(stop), window); });
}

const WindowBatch* WindowReader::next() {
  std::unique_lock lock(mutex_);
  if (std::exchange(holds_current_, false)) {
    free_.push_back(std::move(current_));
    changed_.notify_all();
  }
  changed_.wait(lock, [&] { return !ready_.empty() || ended_; });
  if (ready_.empty()) {
    if (failure_) std::rethrow_exception(failure_);
    return nullptr;
  }
  current_ = std::move(ready_.front());
  ready_.pop_front();
  holds_current_ = true;
  return &current_;
}

void WindowReader::produce(std::stop_token stop, std::int64_t window) {
  std::exception_ptr failure;
  try {
    for (; window < plan_.windows() && !stop.stop_requested(); ++window) {
      WindowBatch batch;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [&] { return !free_.empty(); })) return;
        batch = std::move(free_.front());
        free_.pop_front();
      }
      fill(batch, window);
      const std::lock_guard lock(mutex_);
      ready_.push_back(std::move(batch));
      changed_.notify_all();
    }
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  failure_ = failure;
  ended_ = true;
  changed_.notify_all();
}

void WindowReader::fill(WindowBatch& batch, std::int64_t window) {
  const Window shape = plan_.window(window);
  batch.index = window;
  batch.steps = shape.steps;
  batch.lanes = lanes_.size();
  batch.discard = shape.discard;
  const auto steps = static_cast<std::size_t>(shape.steps), lanes = static_cast<std::size_t>(lanes_.size());
  batch.tokens.resize(steps * lanes);
  batch.targets.resize(steps * lanes);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    const std::uint32_t* source = lane_tokens(static_cast<std::int64_t>(lane), shape.start, shape.steps + 1);
    for (std::size_t step = 0; step < steps; ++step) {
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
    const std::int64_t length = std::min(std::max(options_.lane_block_tokens, count), plan_.lane_length() - begin);
    block.tokens.clear();  // nothing is held should reading fail
    std::vector<std::uint32_t> fresh = std::move(block.tokens);
    fresh.resize(static_cast<std::size_t>(length));
    tokens_->read(plan_.lane(lanes_.begin + lane).begin + begin, std::span(fresh));
    block.begin = begin;
    block.tokens = std::move(fresh);
  }
  return block.tokens.data() + (begin - block.begin);
}

}  // namespace trellis
