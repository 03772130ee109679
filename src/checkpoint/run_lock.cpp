#include "checkpoint/run_lock.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fmt/chrono.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <system_error>
#include <unistd.h>

#include "base/errors.h"
#include "base/log.h"
#include "mpi/agreement.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

constexpr const char* kLockFile = "run.lock";

std::string description_of_this_job() {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("host {}, process {}, since {:%Y-%m-%d %H:%M:%S} UTC\n", host, getpid(), now);
}

// Printable text only: the file may hold anything.
std::string holder(const fs::path& path) {
  std::string text;
  try {
    text = read_text(path, 1024);
  } catch (const Error&) {
  }
  for (char& c : text)
    if (c < ' ' || c > '~') c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.empty() ? "unknown" : text;
}

File take(const fs::path& directory) {
  const fs::path path = directory / kLockFile;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error)
    throw WriteError("cannot create the run folder: " + error.message(), directory.string(), "check its permissions");
  File file = File::open_or_create(path);
  if (flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      throw OutputExistsError("another job is using this run: " + holder(path), directory.string(),
                              "wait until it ends or stop it, or choose another run folder");
    log_warning("cannot lock {}: {}; take care that no second job uses this run", path.string(), std::strerror(errno));
    return file;
  }
  const std::string text = description_of_this_job();
  if (ftruncate(file.descriptor(), 0) == 0) file.write_at(0, std::as_bytes(std::span(text)));
  return file;
}

}  // namespace

RunLock::RunLock(const Communicator& communicator, const fs::path& run_directory) {
  agree(communicator, [&] {
    if (communicator.rank() == 0) file_ = take(run_directory);
  });
}

}  // namespace trellis
