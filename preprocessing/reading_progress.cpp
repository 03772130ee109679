#include "preprocessing/reading_progress.h"

#include <algorithm>
#include <cstdio>
#include <fmt/core.h>
#include <unistd.h>

namespace trellis {

ProgressLine::ProgressLine() : shown_(::isatty(STDERR_FILENO) != 0) {}

ProgressLine::~ProgressLine() {
  if (shown_) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::show(const ReadingProgress& progress) {
  if (!shown_ || (printed_ && since_printed_.seconds() < 0.5)) return;
  printed_ = true;
  since_printed_ = Stopwatch();
  fmt::print(stderr, "\r\033[K{}: {:.0f} %, {:.0f} MB/s", progress.doing,
             100.0 * static_cast<double>(progress.done_bytes) / static_cast<double>(progress.all_bytes),
             static_cast<double>(progress.done_bytes) / 1e6 / std::max(all_.seconds(), 1e-3));
  std::fflush(stderr);
}

std::string grouped(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace trellis
