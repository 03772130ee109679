// What this process may use of the machine's processors: by affinity (a launcher's binding, a batch system's or container's set
// of processors) and by the time that its control group grants (a container's CPU limit). Linux only, like the rest.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

struct Processors {
  int machine = 1;              // that are online, as this process is told
  std::vector<int> allowed;     // numbers of those that it may run on, rising; never empty
  std::optional<double> quota;  // processors' worth of time that its control group grants; empty: no limit
  bool operator==(const Processors&) const = default;
};

// As things stand now. What cannot be found out does not limit.
Processors processors_of_this_process();

// The smallest limit on this process in its control group and those above it, of version 1 (cpu.cfs_quota_us over
// cpu.cfs_period_us) and 2 (cpu.max). membership: /proc/self/cgroup; mounts: /proc/self/mountinfo; read: the text of a file, empty
// where there is none.
std::optional<double> cpu_quota(const std::string& membership, const std::string& mounts,
                                const std::function<std::optional<std::string>(const std::filesystem::path&)>& read);

}  // namespace trellis
