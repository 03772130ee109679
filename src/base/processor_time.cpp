#include "base/processor_time.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

namespace trellis {
namespace {

double seconds_of(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

std::optional<ProcessorTime> busy_time(const std::string& proc_stat, std::span<const int> processors, double ticks_per_second) {
  constexpr std::string_view kPrefix = "cpu";
  ProcessorTime time;
  std::size_t found = 0;
  std::istringstream lines(proc_stat);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(kPrefix)) break;  // processors come first
    std::istringstream words(line.substr(kPrefix.size()));
    int number = 0;
    if (line.size() <= kPrefix.size() || line[kPrefix.size()] == ' ' || !(words >> number)) continue;  // "cpu": the sum of all
    if (std::find(processors.begin(), processors.end(), number) == processors.end()) continue;
    // user, nice, system, idle, iowait, irq, softirq, steal
    std::array<double, 8> spent{};
    for (double& value : spent) words >> value;
    time.busy += (spent[0] + spent[1] + spent[2] + spent[5] + spent[6] + spent[7]) / ticks_per_second;
    time.polite += spent[1] / ticks_per_second;
    ++found;
  }
  if (found != processors.size()) return std::nullopt;
  return time;
}

std::optional<ProcessorTime> processor_time(std::span<const int> processors) {
  std::ifstream file("/proc/stat");
  std::ostringstream text;
  text << file.rdbuf();
  std::optional<ProcessorTime> time = busy_time(text.str(), processors, static_cast<double>(sysconf(_SC_CLK_TCK)));
  if (!time) return std::nullopt;
  time->own = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  time->wall = seconds_of(CLOCK_MONOTONIC);
  return time;
}

double taken_by_others(const ProcessorTime& before, const ProcessorTime& after) {
  const double wall = after.wall - before.wall;
  if (wall <= 0) return 0;
  return std::max(0.0, (after.busy - before.busy - (after.own - before.own)) / wall);
}

}  // namespace trellis
