#include "plan/thread_share.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace trellis {

ThreadShare thread_share(std::span<const Processors> ranks, std::size_t own) {
  std::map<int, int> users;  // of each processor
  for (const Processors& rank : ranks) {
    for (const int processor : rank.allowed) ++users[processor];
  }
  double processors = 0;
  for (const int processor : ranks[own].allowed) processors += 1.0 / users.at(processor);
  constexpr double kRounding = 1e-9;
  const int by_affinity = std::max(1, static_cast<int>(std::floor(processors + kRounding)));
  const auto count = static_cast<double>(ranks.size());
  const int of_machine = std::max(1, static_cast<int>(ranks[own].machine / ranks.size()));
  const auto within_quota = [&](int threads) {
    if (!ranks[own].quota) return threads;
    return std::clamp(static_cast<int>(std::floor(*ranks[own].quota / count + kRounding)), 1, threads);
  };
  return {.threads = within_quota(by_affinity), .unbound = within_quota(std::max(by_affinity, of_machine)), .unlimited = by_affinity};
}

std::string thread_share_remark(const ThreadShare& share, const Processors& own, std::size_t ranks, bool launched) {
  if (share.threads < share.unlimited) {
    return fmt::format("the control group (a container's CPU limit) grants {:.3g} of {} processors to {} rank(s) here, so each computes with {} "
                       "thread(s); a higher limit would give up to {}",
                       *own.quota, own.allowed.size(), ranks, share.threads, share.unlimited);
  }
  if (share.threads < share.unbound) {
    return fmt::format("this rank may run on {} of the machine's {} processors, so it computes with {} thread(s); {} would give {}", own.allowed.size(),
                       own.machine, share.threads,
                       launched ? "mpirun --bind-to none" : "a wider affinity (taskset, cpuset, the batch system's --cpus-per-task)", share.unbound);
  }
  return {};
}

int threads_beside(double taken_by_others, int allowed, int most) {
  // Who shares a processor evenly takes at least half of it from a thread here; less is noise that a thread can bear.
  constexpr double kBearable = 0.45;
  const double free = static_cast<double>(allowed) - taken_by_others;
  return std::clamp(static_cast<int>(std::floor(free + kBearable)), 1, most);
}

}  // namespace trellis
