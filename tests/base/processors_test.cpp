#include "base/processors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <map>
#include <thread>

namespace trellis {
namespace {

using Files = std::map<std::string, std::string>;

std::optional<double> quota(const std::string& membership, const std::string& mounts, const Files& files) {
  return cpu_quota(membership, mounts, [&](const std::filesystem::path& path) -> std::optional<std::string> {
    const auto found = files.find(path.string());
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
}

constexpr const char* kVersion2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kVersion1 =
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
    "36 31 0:33 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";

TEST(CpuQuota, IsTheSmallestOfAGroupAndThoseAboveIt) {
  const Files files{{"/sys/fs/cgroup/job/cpu.max", "400000 100000\n"}, {"/sys/fs/cgroup/job/step/cpu.max", "max 100000\n"}};
  EXPECT_EQ(quota("0::/job/step\n", kVersion2, files), 4.0);
  EXPECT_EQ(quota("0::/job\n", kVersion2, files), 4.0);
  EXPECT_EQ(quota("0::/other\n", kVersion2, files), std::nullopt);
  EXPECT_EQ(quota("0::/\n", kVersion2, {{"/sys/fs/cgroup/cpu.max", "50000 100000\n"}}), 0.5);  // a container with a namespace of its own
}

TEST(CpuQuota, KnowsVersion1) {
  const Files files{{"/sys/fs/cgroup/cpu/quota/cpu.cfs_quota_us", "50000\n"}, {"/sys/fs/cgroup/cpu/quota/cpu.cfs_period_us", "100000\n"},
                    {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},          {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}};
  EXPECT_EQ(quota("3:cpuset:/\n1:cpu,cpuacct:/quota\n0::/\n", kVersion1, files), 0.5);
  EXPECT_EQ(quota("1:cpu,cpuacct:/\n", kVersion1, files), std::nullopt);
  EXPECT_EQ(quota("1:cpuset:/quota\n", kVersion1, files), std::nullopt);
}

TEST(CpuQuota, FindsItsGroupWhereAMountShowsAPartOfTheTree) {
  const std::string mounts = "30 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
  const Files files{{"/sys/fs/cgroup/cpu.max", "150000 100000\n"}, {"/sys/fs/cgroup/inner/cpu.max", "100000 100000\n"}};
  EXPECT_EQ(quota("0::/docker/abc\n", mounts, files), 1.5);
  EXPECT_EQ(quota("0::/docker/abc/inner\n", mounts, files), 1.0);
  EXPECT_EQ(quota("0::/elsewhere\n", mounts, files), 1.5);
}

TEST(CpuQuota, LimitsNothingWhereItCannotBeFound) {
  EXPECT_EQ(quota("", "", {}), std::nullopt);
  EXPECT_EQ(quota("nonsense\n:\n0::\n", "nonsense\n\n1 2\n", {}), std::nullopt);
  EXPECT_EQ(quota("0::/\n", kVersion2, {{"/sys/fs/cgroup/cpu.max", "nonsense\n"}}), std::nullopt);
}

TEST(ProcessorsOfThisProcess, AreThoseOfItsAffinity) {
  const Processors before = processors_of_this_process();
  ASSERT_FALSE(before.allowed.empty());
  EXPECT_GE(before.machine, static_cast<int>(before.allowed.size()));
  std::thread([&] {  // the affinity of a thread of its own
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(before.allowed.back(), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    const Processors bound = processors_of_this_process();
    EXPECT_THAT(bound.allowed, testing::ElementsAre(before.allowed.back()));
    EXPECT_EQ(bound.machine, before.machine);
  }).join();
}

}  // namespace
}  // namespace trellis
