#include "checkpoint/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/storage.h"
#include "base/system_error.h"
#include "checkpoint/damage.h"

namespace trellis::checkpoint {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_write_error(int error, const std::string& action, const fs::path& path) {
  throw WriteError("cannot " + action + ": " + std::strerror(error), path.string(), write_remedy(error));
}

}  // namespace

File::File(int descriptor, fs::path path) : descriptor_(descriptor), path_(std::move(path)) {}

File File::open_to_read(const fs::path& path) {
  const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  const int descriptor = uninterrupted([&] { return ::open(path.c_str(), flags); });
  if (descriptor < 0 && errno == ELOOP)
    throw DataError("is a symbolic link, expected a regular file", path.string(),
                    "put the file itself there; the folder may be a link");
  if (descriptor < 0) throw_unreadable(path, errno);
  File file(descriptor, path);
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) throw_unreadable(path, errno);
  if (!S_ISREG(status.st_mode)) throw DataError("not a regular file", path.string(), "put the file itself there");
  return file;
}

File File::open_to_write(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) throw_write_error(errno, "open the file to write", path);
  return File(descriptor, path);
}

File File::create(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) throw_write_error(errno, "create the file", path);
  return File(descriptor, path);
}

File File::open_or_create(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) throw_write_error(errno, "create the file", path);
  return File(descriptor, path);
}

File File::in_memory() {
  const int descriptor = ::memfd_create("trellis", MFD_CLOEXEC);
  if (descriptor < 0) throw_write_error(errno, "create a file in memory", "");
  return File(descriptor, "a file in memory");
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::int64_t File::size() const {
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0) throw_unreadable(path_, errno);
  return status.st_size;
}

void File::read(std::int64_t offset, std::span<std::byte> into) const {
  for (std::size_t done = 0; done < into.size();) {
    const ssize_t got = uninterrupted([&] {
      return ::pread(descriptor_, into.data() + done, into.size() - done, offset + static_cast<off_t>(done));
    });
    if (got < 0) throw_unreadable(path_, errno);
    if (got == 0)
      throw DamagedError("the file ends at byte " + std::to_string(offset + static_cast<std::int64_t>(done)) +
                             ", expected at least " + std::to_string(offset + static_cast<std::int64_t>(into.size())),
                         path_.string(), "the file is cut short: use another copy");
    done += static_cast<std::size_t>(got);
  }
}

void File::write_at(std::int64_t offset, std::span<const std::byte> bytes) const {
  for (std::size_t done = 0; done < bytes.size();) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, offset + static_cast<off_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw_write_error(put < 0 ? errno : ENOSPC, "write the file", path_);
    done += static_cast<std::size_t>(put);
  }
}

void File::reserve(std::int64_t size) const {
  const int error = ::posix_fallocate(descriptor_, 0, size);
  if (error != 0) throw_write_error(error, "reserve " + std::to_string(size) + " bytes", path_);
}

void File::sync() const {
  const int error = bring_to_disk(descriptor_, path_);
  if (error != 0) throw_write_error(error, "put the file safely on the disk (fsync)", path_);
}

void File::drop_cached() const { ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED); }

std::string read_text(const fs::path& path, std::int64_t largest) {
  const File file = File::open_to_read(path);
  const std::int64_t size = file.size();
  if (size > largest)
    throw DataError("the file has " + std::to_string(size) + " bytes, expected at most " + std::to_string(largest),
                    path.string(), "use the version of this program that wrote it, or a newer one");
  std::string text(static_cast<std::size_t>(size), '\0');
  file.read(0, std::as_writable_bytes(std::span<char>(text)));
  return text;
}

void sync_directory(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_write_error(errno, "open the folder", directory);
  const int error = bring_to_disk(descriptor, directory);
  ::close(descriptor);
  if (error != 0) throw_write_error(error, "put the folder's names safely on the disk (fsync)", directory);
}

void publish_directory(const fs::path& from, const fs::path& to, const fs::path& replaced) {
  std::error_code unknown;  // what cannot be looked at may be there: the exchange below tells
  if (fs::symlink_status(to, unknown).type() == fs::file_type::not_found) {
    if (::rename(from.c_str(), to.c_str()) != 0) throw_write_error(errno, "rename the folder to " + to.string(), from);
    return;
  }
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) {
    if (::rename(from.c_str(), replaced.c_str()) != 0)
      throw_write_error(errno, "rename the folder to " + replaced.string(), from);
    return;
  }
  if (errno != EINVAL && errno != ENOSYS) throw_write_error(errno, "exchange the folder with " + to.string(), from);
  if (::rename(to.c_str(), replaced.c_str()) != 0)
    throw_write_error(errno, "rename the folder to " + replaced.string(), to);
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    ::rename(replaced.c_str(), to.c_str());
    throw_write_error(error, "rename the folder to " + to.string(), from);
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

}  // namespace trellis::checkpoint
