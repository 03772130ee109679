#include "checkpoint/run_lock.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "base/errors.h"
#include "base/log.h"
#include "mpi/agreement.h"
#include "storage/file_system.h"
#include "storage/read_text.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

constexpr const char* kLockFile = "run.lock";
constexpr const char* kOwnerFile = "run.owner";

// Printable text only: the file may hold anything.
std::string holder(const fs::path& path) {
  std::string text;
  try {
    text = read_text(path, 1024, "remove it, if no run uses the folder");
  } catch (const Error&) {
  }
  for (char& c : text)
    if (c < ' ' || c > '~') c = ' ';
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text.empty() ? "unknown" : text;
}

// POSIX's lock of a whole file, held like flock's by the open file: what some file systems know that have no flock.
Locked lock_all_bytes(int descriptor) {
  struct flock all {};
  all.l_type = F_WRLCK;
  all.l_whence = SEEK_SET;
  if (::fcntl(descriptor, F_OFD_SETLK, &all) == 0) return Locked::here;
  return errno == EAGAIN || errno == EACCES ? Locked::by_another : Locked::unknown_here;
}

void make_folder(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    throw WriteError("cannot create the run folder: " + error.message(), directory.string(), write_remedy(error.value()));
  }
}

}  // namespace

void RunLock::take(const fs::path& directory) {
  const fs::path path = directory / kLockFile;
  make_folder(directory);
  file_ = File::open_or_create(path);
  Locked locked = lock_exclusively(file_->descriptor(), Waiting::no);
  const int reason = errno;
  if (locked == Locked::unknown_here) locked = lock_all_bytes(file_->descriptor());
  if (locked == Locked::by_another) {
    throw OutputExistsError("another job is using this run: " + holder(path), directory.string(),
                            "wait until it ends or stop it, or choose another run folder");
  }
  if (locked == Locked::unknown_here) {
    owner_.emplace(directory / kOwnerFile);
    log_warning("the file system of {} has no locks ({}): {} guards the run instead, against jobs of this machine only", directory.string(),
                std::strerror(reason), kOwnerFile);
  }
  const std::string text = description_of_this_process() + "\n";
  if (ftruncate(file_->descriptor(), 0) == 0) file_->write_at(0, std::as_bytes(std::span(text)));
}

RunLock::RunLock(const Communicator& communicator, const fs::path& run_directory) {
  agree(communicator, [&] {
    if (communicator.rank() == 0) take(run_directory);
  });
}

}  // namespace trellis
