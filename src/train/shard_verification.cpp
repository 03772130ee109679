#include "train/shard_verification.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/host_name.h"
#include "storage/content_hash.h"

namespace trellis {
namespace {

// Of this machine since it was started.
std::string machine() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return host_name() + '\n' + boot;
}

// Equal for ranks that have the same files on the same machine, and for no others.
std::int64_t fingerprint(const std::vector<std::filesystem::path>& files) {
  ContentHash hash;
  hash.add(machine());
  for (const auto& file : files) {
    struct stat status = {};
    if (::stat(file.c_str(), &status) != 0) status = {};  // opening it will tell
    hash.add(fmt::format("{} {} {} {}.{}\n", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec));
  }
  return static_cast<std::int64_t>(std::stoull(hash.hex().substr(0, 15), nullptr, 16));
}

template <class Splits>
std::vector<std::filesystem::path> files_of(const Dataset& data, const Splits& splits, const std::string& split) {
  std::vector<std::filesystem::path> files;
  const auto found = splits.find(split);
  if (found == splits.end()) return files;
  for (const auto& shard : found->second.shards) files.push_back(data.directory() / shard.file);
  return files;
}

}  // namespace

Verify verification_of(const Communicator& communicator, const Dataset& data, const std::string& split) {
  const auto files = data.is_text() ? files_of(data, data.text().manifest().splits, split) : files_of(data, data.sequences().manifest().splits, split);
  const std::int64_t own = fingerprint(files);
  const std::vector<std::int64_t> all = communicator.all_gather(own);
  return std::ranges::find(all, own) - all.begin() == communicator.rank() ? Verify::hash : Verify::structure;
}

}  // namespace trellis
