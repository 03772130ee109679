#include "storage/directory.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

#include "base/log.h"
#include "storage/file.h"
#include "storage/file_system.h"

namespace trellis {

namespace fs = std::filesystem;

void sync_directory(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_write_error(directory, "open this directory", errno);
  const int error = bring_to_disk(descriptor, directory);
  ::close(descriptor);
  if (error != 0) throw_write_error(directory, "bring this directory safely to the disk (fsync)", error);
}

void publish_directory(const fs::path& from, const fs::path& to, const fs::path& replaced) {
  std::error_code unknown;  // what cannot be looked at may be there: the exchange below tells
  if (fs::symlink_status(to, unknown).type() == fs::file_type::not_found) {
    if (::rename(from.c_str(), to.c_str()) != 0) throw_write_error(from, "rename the folder to " + to.string(), errno);
    return;
  }
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    if (::rename(from.c_str(), replaced.c_str()) != 0)
      throw_write_error(from, "rename the folder to " + replaced.string(), errno);
    return;
  }
  if (errno != EINVAL && errno != ENOSYS) throw_write_error(from, "exchange the folder with " + to.string(), errno);
  if (::rename(to.c_str(), replaced.c_str()) != 0)
    throw_write_error(to, "rename the folder to " + replaced.string(), errno);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    ::rename(replaced.c_str(), to.c_str());
    throw_write_error(from, "rename the folder to " + to.string(), error);
  }
}

void remove_directory(const fs::path& directory) noexcept {
  try {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(directory, error))) return;
    fs::remove_all(directory, error);
    if (error) log_warning("cannot remove {}: {}; please remove it by hand", directory.string(), error.message());
  } catch (...) {  // no memory for the message: the folder stays, and its name says that it is temporary
  }
}

}  // namespace trellis
