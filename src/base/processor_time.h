// How busy the machine's processors are, and how much of that is this process: from the kernel's counters, so that a program can
// tell whether it has its processors to itself.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace trellis {

// Seconds since some moment in the past.
struct ProcessorTime {
  double busy = 0;    // that the processors asked about have worked for anybody, or were taken by a hypervisor
  double polite = 0;  // of these: for processes of low priority
  double own = 0;     // that this process has worked
  double wall = 0;  // of a steady clock
};

// processors: numbers, as in base/processors.h. Empty where the kernel does not tell.
std::optional<ProcessorTime> processor_time(std::span<const int> processors);

// The first two from the text of /proc/stat. Empty unless every one of the processors is told of.
std::optional<ProcessorTime> busy_time(const std::string& proc_stat, std::span<const int> processors, double ticks_per_second);

// How many processors' worth of time others took between two moments; at least 0.
double taken_by_others(const ProcessorTime& before, const ProcessorTime& after);

}  // namespace trellis
