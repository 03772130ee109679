#include "plan/evaluation_lanes.h"

#include <algorithm>

namespace trellis {
namespace {

constexpr std::int64_t kLeastContext = 64;
// Windows of history. One is measured to be enough (docs/architecture.md); more leave room for networks that remember longer.
constexpr std::int64_t kWindowsOfHistory = 4;
constexpr std::int64_t kMostContext = 1024;
// Rows of a matrix product beyond which more of them make it no faster.
constexpr std::int64_t kEnoughRows = 2048;
// Share of the text that may be read twice.
constexpr std::int64_t kOneInSoMany = 20;

}  // namespace

std::int64_t enough_context(std::int64_t window, std::int64_t discard, std::int64_t reach) {
  if (discard > 0) return std::max(kLeastContext, discard);
  return std::clamp(std::max(reach, kWindowsOfHistory * window), kLeastContext, kMostContext);
}

std::int64_t lanes_for_evaluation(std::int64_t tokens, std::int64_t stride, std::int64_t context) {
  const std::int64_t by_rows = kEnoughRows / stride, by_overlap = tokens / (kOneInSoMany * std::max<std::int64_t>(context, 1));
  return std::max<std::int64_t>(1, std::min(by_rows, by_overlap));
}

}  // namespace trellis
