// How far a command is: what the work reports, and the line that shows it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace trellis {

// What is being done, and how many of all bytes to read are done.
struct ReadingProgress {
  std::string doing;  // "counting train"
  std::int64_t done_bytes = 0, all_bytes = 0;
};

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

// One line on a terminal, rewritten twice a second; nothing where standard error is no terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(const ReadingProgress& progress);

 private:
  bool shown_, printed_ = false;
  Stopwatch all_, since_printed_;
};

std::string grouped(std::int64_t number);  // 2088628 -> "2,088,628"

}  // namespace trellis
