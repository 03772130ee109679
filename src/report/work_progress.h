// What a person sees of work whose amount is known beforehand, an evaluation for one: how much is done, how fast, how long the rest
// will take. A bar on a terminal, plain lines every so often otherwise. Only rank 0 makes one.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "report/progress.h"

namespace trellis {

struct WorkSample {
  std::int64_t done = 0, all = 1;  // 0 <= done <= all
  double seconds = 0;              // since the work began
};

// "40960 of 245568 tokens (16 %), 7210 tokens/s, 28s left"
std::string work_line(const WorkSample& sample, const std::string& unit);
// " 16% [####------------------] 40960/245568 7210 tokens/s, 28s left", at most `width` characters: the bar shrinks first, then what
// stands at the end is left out.
std::string work_bar(const WorkSample& sample, const std::string& unit, int width);

class WorkProgress {
 public:
  // The work begins now. unit: what is counted, "tokens".
  WorkProgress(std::FILE* stream, std::string unit, double now_seconds);
  WorkProgress(std::FILE* stream, Progress::Style style, int width, std::string unit, double now_seconds);
  ~WorkProgress() { progress_.clear(); }

  // So much is done. now_seconds: any steady clock. A bar is redrawn at most five times a second, a line printed every ten seconds.
  void at(std::int64_t done, std::int64_t all, double now_seconds);

 private:
  Progress progress_;
  std::string unit_;
  double begun_seconds_;
  double shown_seconds_;
};

}  // namespace trellis
