#include "base/processors.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

namespace trellis {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> text_of(const fs::path& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<int> allowed_processors() {
  // A fixed cpu_set_t ends at 1,024; the kernel refuses a set that is smaller than its own.
  for (int most = 1024; most <= (1 << 20); most *= 2) {
    const auto set = std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)>(CPU_ALLOC(most), [](cpu_set_t* held) { CPU_FREE(held); });
    const std::size_t bytes = CPU_ALLOC_SIZE(most);
    if (!set) break;
    CPU_ZERO_S(bytes, set.get());
    if (sched_getaffinity(0, bytes, set.get()) != 0) continue;
    std::vector<int> allowed;
    for (int n = 0; n < most; ++n) {
      if (CPU_ISSET_S(n, bytes, set.get())) allowed.push_back(n);
    }
    if (!allowed.empty()) return allowed;
  }
  std::vector<int> all(std::max(1u, std::thread::hardware_concurrency()));
  for (std::size_t n = 0; n < all.size(); ++n) all[n] = static_cast<int>(n);
  return all;
}

struct Mount {
  std::string root, point, type, options;  // options: of the file system, where version 1 names its controllers
};

// "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup cgroup rw,cpu"
std::optional<Mount> mount_of(const std::string& line) {
  std::istringstream words(line);
  Mount mount;
  std::string word, source;
  words >> word >> word >> word >> mount.root >> mount.point;
  while (words >> word && word != "-") {
  }
  if (!(words >> mount.type >> source >> mount.options)) return std::nullopt;
  return mount;
}

bool names(const std::string& list, const std::string& wanted) {
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == wanted) return true;
  }
  return false;
}

// "50000 100000" or "max 100000"
std::optional<double> limit_of_version_2(const std::string& cpu_max) {
  std::istringstream words(cpu_max);
  double quota = 0, period = 0;
  if (!(words >> quota >> period) || quota <= 0 || period <= 0) return std::nullopt;
  return quota / period;
}

std::optional<double> limit_of_version_1(const std::optional<std::string>& quota, const std::optional<std::string>& period) {
  if (!quota || !period) return std::nullopt;
  return limit_of_version_2(*quota + " " + *period);
}

}  // namespace

std::optional<double> cpu_quota(const std::string& membership, const std::string& mounts,
                                const std::function<std::optional<std::string>(const fs::path&)>& read) {
  std::optional<double> smallest;
  const auto take = [&](std::optional<double> limit) {
    if (limit && (!smallest || *limit < *smallest)) smallest = limit;
  };
  std::istringstream groups(membership);
  for (std::string group; std::getline(groups, group);) {  // "4:cpu,cpuacct:/path", or "0::/path" of version 2
    const std::size_t first = group.find(':'), second = group.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = group.substr(first + 1, second - first - 1), path = group.substr(second + 1);
    const bool version_2 = controllers.empty();
    if (!version_2 && !names(controllers, "cpu")) continue;
    std::istringstream lines(mounts);
    for (std::string line; std::getline(lines, line);) {
      const std::optional<Mount> mount = mount_of(line);
      if (!mount || mount->type != (version_2 ? "cgroup2" : "cgroup") || (!version_2 && !names(mount->options, "cpu"))) continue;
      // What is mounted may be a group further down, as in a container, whose processes still see the whole path.
      fs::path within = fs::path(path).lexically_relative(mount->root);
      if (within.empty() || *within.begin() == "..") within = ".";
      for (fs::path below = within.lexically_normal();; below = below.parent_path()) {
        const fs::path folder = below.empty() || below == "." ? fs::path(mount->point) : mount->point / below;
        if (version_2) {
          if (const auto text = read(folder / "cpu.max")) take(limit_of_version_2(*text));
        } else {
          take(limit_of_version_1(read(folder / "cpu.cfs_quota_us"), read(folder / "cpu.cfs_period_us")));
        }
        if (below.empty() || below == ".") break;
      }
    }
  }
  return smallest;
}

Processors processors_of_this_process() {
  Processors result;
  result.allowed = allowed_processors();
  result.machine = std::max<int>(static_cast<int>(result.allowed.size()), static_cast<int>(std::thread::hardware_concurrency()));
  const auto online = text_of("/sys/devices/system/cpu/online");
  if (online) {  // "0-63": affinity does not hide them
    int count = 0;
    std::istringstream ranges(*online);
    for (std::string range; std::getline(ranges, range, ',');) {
      int from = 0, to = 0;
      std::istringstream ends(range);
      if (!(ends >> from)) continue;
      to = from;
      if (ends.peek() == '-') ends.ignore(1) >> to;
      count += std::max(0, to - from + 1);
    }
    result.machine = std::max(result.machine, count);
  }
  result.quota = cpu_quota(text_of("/proc/self/cgroup").value_or(""), text_of("/proc/self/mountinfo").value_or(""), text_of);
  return result;
}

}  // namespace trellis
