#include "trainer/shared_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "base/facts.h"
#include "base/host_name.h"
#include "mpi/agreement.h"
#include "storage/file.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kPatience = 2s, kInterval = 50ms;
constexpr const char* kPrefix = ".tmp-seen-by-all-";

std::string random_digits() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}", random(), random());
}

// "node7:/home/me/runs/a"
std::string place_of(const fs::path& directory) {
  std::error_code ignored;
  const fs::path absolute = fs::absolute(directory, ignored);
  return fmt::format("{}:{}", host_name(), (absolute.empty() ? directory : absolute).lexically_normal().string());
}

// Opening a folder makes the client of a network file system ask the server what is in it, instead of its memory.
void look_anew(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor >= 0) ::close(descriptor);
}

bool holds(const fs::path& path, const std::string& content) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str() == content;
}

bool comes_to_be_seen(const fs::path& path, const std::string& content) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!holds(path, content)) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(kInterval);
    look_anew(path.parent_path().parent_path());
    look_anew(path.parent_path());
  }
  return true;
}

void create(const fs::path& path, const std::string& content) {
  std::error_code ignored;  // what a killed job has left is no obstacle
  for (const auto& entry : fs::directory_iterator(path.parent_path(), ignored)) {
    if (entry.path().filename().string().starts_with(kPrefix)) fs::remove(entry.path(), ignored);
  }
  const File file = File::create(path);
  file.write_at(0, std::as_bytes(std::span(content)));
}

void expect_one_folder(const Communicator& communicator, const fs::path& directory) {
  const std::string content = communicator.broadcast(communicator.rank() == 0 ? random_digits() : std::string(), 0);
  const fs::path path = directory / (kPrefix + content);
  agree(communicator, [&] {
    if (communicator.rank() == 0) create(path, content);
  });
  const bool seen = communicator.rank() == 0 || comes_to_be_seen(path, content);
  const std::vector<std::int64_t> all = communicator.all_gather(std::int64_t{seen});
  if (communicator.rank() == 0) {
    std::error_code ignored;
    fs::remove(path, ignored);
  }
  std::vector<int> blind;
  for (int rank = 0; rank < communicator.size(); ++rank) {
    if (all[static_cast<std::size_t>(rank)] == 0) blind.push_back(rank);
  }
  if (blind.empty()) return;
  const std::string first = communicator.broadcast(place_of(directory), 0), other = communicator.broadcast(place_of(directory), blind.front());
  throw AgreedError<ExitCode::wrong_setting>(
      fmt::format("the ranks do not share the run directory: what rank 0 has made in it, {} {} not see", describe_ranks(blind), blind.size() == 1 ? "does" : "do"),
      fmt::format("rank 0: {}; rank {}: {}", first, blind.front(), other),
      "give --run a folder of a file system that all machines share, and the same one to every rank: an absolute path where ranks start in "
      "different folders",
      communicator.size());
}

}  // namespace

void expect_shared(const Communicator& communicator, const RunDirectory& run) {
  if (communicator.size() == 1) return;
  expect_one_folder(communicator, run.path());
  std::error_code ignored;
  if (communicator.broadcast(std::int64_t{fs::is_directory(run.checkpoints(), ignored)}, 0) == 1) expect_one_folder(communicator, run.checkpoints());
}

}  // namespace trellis
