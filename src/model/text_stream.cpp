#include "model/text_stream.h"

#include <algorithm>

#include "base/errors.h"
#include "base/stop_request.h"

namespace trellis {
namespace {

constexpr std::int64_t kEndless = std::int64_t{1} << 60;  // tokens
constexpr std::int64_t kMostSteps = 64;                   // read at once: what more would gain is little, and memory grows with it

at::Tensor as_tensor(std::span<const std::int64_t> tokens) { return at::tensor(at::IntArrayRef(tokens.data(), tokens.size()), at::kLong); }

}  // namespace

TextStream::TextStream(const TrellisShape& shape, std::int64_t window, std::int64_t discard, const std::string& where, at::TensorOptions options)
    : plan_(kEndless, 1, window, discard, WindowUse::evaluation, where),
      continuous_(plan_.overlapping() && discard >= shape.reach()),
      stream_(shape, 1, kMostSteps, options) {}

void TextStream::use(const Parameters& weights) {
  stream_.use(weights);
  window_ = position_ = 0;
  latest_.clear();
}

void TextStream::begin_window(const Window& window) {
  const bool first = window_++ == 0;
  if (continuous_ && !first) return;
  stream_.begin_window(first || plan_.overlapping() ? stream_.zero_history() : stream_.history());
  advance(std::span(latest_).last(static_cast<std::size_t>(window.discard)));
}

void TextStream::advance(std::span<const std::int64_t> tokens) {
  while (!tokens.empty()) {
    throw_if_stop_requested();  // a prompt may be a book
    const std::size_t count = std::min<std::size_t>(tokens.size(), kMostSteps);
    stream_.advance(as_tensor(tokens.first(count)));
    tokens = tokens.subspan(count);
  }
}

void TextStream::read(std::span<const std::int64_t> tokens) {
  const std::size_t overlap = continuous_ ? 0 : static_cast<std::size_t>(plan_.discard());
  while (!tokens.empty()) {
    // a window takes over with the first step that it scores
    const Window next = plan_.window(window_);
    const std::int64_t edge = next.start + next.discard;
    if (position_ == edge) {
      begin_window(next);
      continue;
    }
    const auto now = tokens.first(std::min(tokens.size(), static_cast<std::size_t>(edge - position_)));
    advance(now);
    position_ += static_cast<std::int64_t>(now.size());
    tokens = tokens.subspan(now.size());
    if (overlap == 0) continue;
    latest_.insert(latest_.end(), now.begin(), now.end());
    if (latest_.size() > 2 * overlap) latest_.erase(latest_.begin(), latest_.end() - static_cast<std::ptrdiff_t>(overlap));
  }
}

at::Tensor TextStream::log_probabilities() {
  require(position_ > 0, "a text stream predicts nothing before its first token");
  return stream_.log_probabilities().squeeze(0).to(at::Device(at::kCPU), at::kDouble).contiguous();
}

double TextStream::log_probability(std::int64_t token) {
  require(position_ > 0, "a text stream predicts nothing before its first token");
  return -stream_.negative_log_probabilities(at::full({1}, token, at::kLong)).item<double>();
}

}  // namespace trellis
