#include "storage/file_system.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"

namespace trellis {
namespace {

bool means_unknown_call(int error) { return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP || error == ENOTSUP; }

int lived_with(int result, const std::filesystem::path& path) {
  if (result == 0) return 0;
  const int error = errno;
  if (!means_unknown_call(error)) return error;
  static std::atomic<bool> told = false;
  if (!told.exchange(true)) {
    log_warning(
        "the file system does not bring {} to the disk when asked to (fsync: {}); it goes on without: what was written in the last "
        "seconds may be lost if the machine crashes",
        path.string(), std::strerror(error));
  }
  return 0;
}

}  // namespace

std::string write_remedy(int error) {
  switch (error) {
    case ENOSPC: return "free some space there, or write to another disk";
    case EDQUOT: return "free some of your quota, or write to another disk";
    case EFBIG: return "raise the limit on file sizes (ulimit -f), or write to a file system that takes larger files";
    case EIO: return "the disk is faulty: look at the system log, or write to another disk";
    case EROFS: return "the file system takes no writes: write to another one, or have it mounted for writing";
    case ESTALE: return "the file server has forgotten the file or folder: look whether the file system is mounted rightly";
    case EMFILE:
    case ENFILE: return "too many files are open: raise the limit (ulimit -n)";
    default: return "check the path and its permissions";
  }
}

int bring_to_disk(int descriptor, const std::filesystem::path& path) { return lived_with(::fsync(descriptor), path); }
int bring_data_to_disk(int descriptor, const std::filesystem::path& path) { return lived_with(::fdatasync(descriptor), path); }

Locked lock_exclusively(int descriptor, Waiting waiting) {
  while (::flock(descriptor, waiting == Waiting::yes ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    return errno == EWOULDBLOCK ? Locked::by_another : Locked::unknown_here;
  }
  return Locked::here;
}

Locked lock_unfinished(int descriptor, const std::filesystem::path& path, Waiting waiting) {
  const Locked locked = lock_exclusively(descriptor, waiting);
  static std::atomic<bool> told = false;
  if (locked == Locked::unknown_here && !told.exchange(true)) {
    log_warning("the file system of {} has no locks (flock: {}): should this process be killed, remove what it leaves under such names by hand",
                path.string(), std::strerror(errno));
  }
  return locked;
}

}  // namespace trellis
